"""An uploaded file as the readers see it."""

import io
from functools import cached_property
from pathlib import PurePosixPath
from typing import BinaryIO

#: Bytes at the beginning of a file by which its format is recognised.
HEAD_BYTES = 4096


class Source:
    """A file and its name.

    Parameters:
      file: Open for reading, and seekable.
      filename: The writer's name for it.
      encoding: The encoding that the writer chose for a text. Empty: it is found out.
    """

    def __init__(self, file: BinaryIO, *, filename: str = "", encoding: str = "") -> None:
        self.file = file
        self.encoding = encoding
        self.filename = filename

    def named(self) -> dict[str, str]:
        """Return what is known of the file besides its content."""
        return {"filename": self.filename, "encoding": self.encoding}

    @cached_property
    def size_bytes(self) -> int:
        return self.file.seek(0, io.SEEK_END)

    @cached_property
    def head(self) -> bytes:
        self.file.seek(0)
        return self.file.read(HEAD_BYTES)

    @property
    def suffix(self) -> str:
        """The suffix of the name in lower case, such as ".docx". Empty: there is none."""
        return PurePosixPath(self.filename.strip().lower()).suffix

    def content(self) -> bytes:
        self.file.seek(0)
        return self.file.read()
