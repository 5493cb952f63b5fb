"""Small secrets that a machine makes for itself and keeps in files that only their owner reads."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def keep(path: Path, text: str) -> None:
    """Write the file with mode 0600, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # Made with mode 0600.
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def kept(path: Path, *, make: Callable[[], str]) -> str:
    """The file's text without white space around it; made and kept where there is none."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        text = ""
    if not text:
        text = make()
        keep(path, text)
    return text
