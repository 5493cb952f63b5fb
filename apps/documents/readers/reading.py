"""Work of a process of `isolated`: read or check a file with the named reader."""

from collections.abc import Sequence
from importlib import import_module
from typing import BinaryIO

from apps.documents.readers.errors import TextTooLargeError
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress
from apps.documents.readers.source import Source

#: Libraries of the readers, by reader. Each is loaded when a file needs it.
LIBRARIES: dict[str, Sequence[str]] = {
    "pdf": ("pypdfium2", "pypdfium2.raw"),
    "web_page": ("lxml.etree",),
    "e_book": ("lxml.etree",),
    "markdown": ("lxml.etree", "markdown_it"),
}


class Reading:
    """One file that is read.

    Parameters:
      reader: Name of the reader's module.
      action: "read" or "check".
      filename, encoding: As in `Source`.
    """

    def __init__(self, *, reader: str, action: str, filename: str, encoding: str) -> None:
        self.reader = import_module(f"apps.documents.readers.{reader}")
        for library in LIBRARIES.get(reader, ()):
            import_module(library)
        self.action = action
        self.named = {"filename": filename, "encoding": encoding}

    def __call__(self, file: BinaryIO, limits: Limits, on_progress: OnProgress) -> bytes:
        source = Source(file, **self.named)
        if self.action == "check":
            self.reader.check(source, limits)
            return b""
        # The analysis takes as long as the text is large, so it may be no larger than a plain text.
        content: bytes = self.reader.read(source, limits, on_progress).encode(errors="replace")
        if len(content) > limits.text_bytes:
            raise TextTooLargeError(size_bytes=len(content), limit_bytes=limits.text_bytes)
        return content


#: `__main__` starts this.
WORK = Reading
