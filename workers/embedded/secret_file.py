"""Files with a secret that a machine makes for itself on first use. Only their owner can read them."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write the file with mode 0600, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # Made with mode 0600.
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def read_or_make(path: Path, *, make: Callable[[], str]) -> str:
    """Return the file's text without white space around it. Make and write one if there is none."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        text = ""
    if not text:
        text = make()
        write(path, text)
    return text
