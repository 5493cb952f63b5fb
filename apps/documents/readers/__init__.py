"""Read the text of an uploaded file, or of a pasted text.

A module reads a family of formats. To add one, write the module and name it in `READERS`.
"""

import io
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO, Protocol

from apps.documents.analysis.structure import Text
from apps.documents.readers import (
    e_book,
    isolated,
    markdown,
    open_document,
    pdf,
    plain_text,
    signatures,
    web_page,
    word,
)
from apps.documents.readers.content import checked
from apps.documents.readers.errors import AmbiguousEncodingError, ReadersBusyError, UnreadableTextError
from apps.documents.readers.limits import MEGABYTE, Limits
from apps.documents.readers.progress import OnProgress, ignore
from apps.documents.readers.source import Source

logger = logging.getLogger(__name__)

__all__ = [
    "READERS",
    "AmbiguousEncodingError",
    "Limits",
    "OnProgress",
    "Reader",
    "ReadersBusyError",
    "UnreadableTextError",
    "check",
    "checked",
    "read",
    "read_pasted",
]


class Reader(Protocol):
    """Interface of a module of this package. It refuses with `UnreadableTextError`, whose message is for the writer."""

    __name__: str

    @property
    def claims(self) -> Callable[[Source], bool]:
        """Whether this reader takes such a file. Its content counts first, its name second."""

    @property
    def check(self) -> Callable[[Source, Limits], None]:
        """Find the faults that are found quickly, at upload."""

    @property
    def read(self) -> Callable[[Source, Limits, OnProgress], str]:
        """Return the file's text. Headings stand on lines of their own, those that it states below a mark."""


#: The first reader that claims a file reads it. Plain text claims every file, so it is the last.
READERS: tuple[Reader, ...] = (pdf, word, open_document, e_book, web_page, markdown, plain_text)

#: Readers that run in a process of their own. Their libraries are in C, or hold more than a piece of the file.
ISOLATED = (pdf, word, open_document, e_book, web_page, markdown)
#: Readers whose check runs in a process of its own, too: it opens a PDF, or parses XML of several megabytes.
CHECKED_ISOLATED = (pdf, word, open_document, e_book)
#: Time limit of reading, and what each megabyte of the file adds, up to the limit of all files. A novel takes 3 s.
SECONDS, SECONDS_A_MEGABYTE = 20, 30
#: Memory for reading, and what each byte of the file adds, up to the limit of all files.
MEMORY_BYTES, MEMORY_A_BYTE = 256 * MEGABYTE, 32
#: Bytes from which on a file is checked while no other large one is. As text it may take six times its size in
#: memory, and a process that answers requests gets many files at once.
LARGE_BYTES = 4 * 1024**2
_large = threading.Lock()


def check(file: BinaryIO | bytes, *, filename: str = "", encoding: str = "", limits: Limits | None = None) -> None:
    """Find the faults of an uploaded file that are found quickly.

    Parameters:
      file: Open for reading and seekable, or the whole file.
      filename: The writer's name for it.
      encoding: The encoding that the writer chose for a text. Empty: it is found out.

    Raises:
      UnreadableTextError: It cannot be read; the message is for the writer.
      AmbiguousEncodingError: The writer must choose the encoding. An `UnreadableTextError` too.
      ReadersBusyError: Others are checked, for some seconds. The writer sends it again.
    """
    limits = limits or Limits()
    source = _source(file, filename, encoding)
    reader = _reader(source)
    if reader in CHECKED_ISOLATED:
        isolated.check(source, limits, reader=_name(reader))
        return
    if source.size_bytes < LARGE_BYTES:
        _check(reader, source, limits)
        return
    with _one_large(), isolated.check_slot(limits):
        _check(reader, source, limits)


def read(
    file: BinaryIO | bytes,
    *,
    filename: str = "",
    encoding: str = "",
    limits: Limits | None = None,
    on_progress: OnProgress = ignore,
) -> str:
    """Return the text of an uploaded file. It is a `Text` if its format may state headings.

    Parameters:
      file: Open for reading and seekable, or the whole file.
      filename, encoding: As in `check`.
      on_progress: Called with the share that is done, 0 to 1, and a text that names the step.

    Raises:
      UnreadableTextError: It cannot be read, or has no text; the message is for the writer.
      ReadingInterruptedError: The process that reads was ended from outside. Retry.
      ReadersBusyError: Others are read, for many minutes. Retry.
    """
    limits = limits or Limits()
    source = _source(file, filename, encoding)
    reader = _reader(source)
    if reader in ISOLATED:
        text = Text.of(isolated.read(source, _fitting(limits, source), on_progress, reader=_name(reader)))
        checked(text)
        return text
    return checked(reader.read(source, limits, on_progress))


def read_pasted(text: str) -> str:
    """Return a pasted text without the characters that no database takes.

    NUL characters come along invisibly from some programs. The writer could not find them, so they are dropped. Half
    surrogate pairs, which JSON can express and UTF-8 cannot, become U+FFFD.

    Raises:
      UnreadableTextError: There is no text in it; the message is for the writer.
    """
    text = text.replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        # A pair that was escaped as two halves is one character.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return checked(text)


@contextmanager
def _one_large() -> Iterator[None]:
    if not _large.acquire(timeout=isolated.CHECK_WAIT_SECONDS):
        raise ReadersBusyError
    try:
        yield
    finally:
        _large.release()


def _check(reader: Reader, source: Source, limits: Limits) -> None:
    """Run the reader's `check`. An error that it does not expect is a fault of the file, as in `isolated`."""
    try:
        reader.check(source, limits)
    except (UnreadableTextError, OSError, MemoryError):
        raise
    except Exception as error:
        logger.exception("reader failed at upload reader=%s", _name(reader))
        raise UnreadableTextError(isolated.CRASHED) from error


def _fitting(limits: Limits, source: Source) -> Limits:
    """Return the limits with time and memory for a file of this size. A small one is read within seconds."""
    seconds = SECONDS + SECONDS_A_MEGABYTE * source.size_bytes // MEGABYTE
    memory_bytes = MEMORY_BYTES + MEMORY_A_BYTE * source.size_bytes
    return replace(limits, seconds=min(limits.seconds, seconds), memory_bytes=min(limits.memory_bytes, memory_bytes))


def _source(file: BinaryIO | bytes, filename: str, encoding: str) -> Source:
    return Source(io.BytesIO(file) if isinstance(file, bytes) else file, filename=filename, encoding=encoding)


def _reader(source: Source) -> Reader:
    """Return the reader that claims the file.

    Raises:
      UnreadableTextError: The file is empty, or no reader takes its kind.
    """
    if source.size_bytes == 0:
        raise UnreadableTextError("The file is empty: it has 0 bytes. Look whether it was saved, and send it again.")
    reader = next(reader for reader in READERS if reader.claims(source))
    refusal = signatures.refusal(source) if reader is plain_text else None
    if refusal is not None:
        raise UnreadableTextError(refusal)
    return reader


def _name(reader: Reader) -> str:
    return reader.__name__.rpartition(".")[2]
