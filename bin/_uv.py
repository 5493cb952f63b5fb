"""uv, pinned, for the scripts that read the package index."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

VERSION = "0.13.9"


@contextlib.contextmanager
def installed() -> Iterator[Path]:
    """Install uv into a folder that lives as long as the block, its cache too, and yield the program's path."""
    with tempfile.TemporaryDirectory(prefix="aiwriting-uv-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip: list[str | Path] = [
            Path(folder) / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, f"uv=={VERSION}"], check=True)
        os.environ["UV_CACHE_DIR"] = str(Path(folder) / "cache")
        yield Path(folder) / "bin" / "uv"
