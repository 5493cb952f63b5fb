"""Packed files (docx, odt, epub): ZIP archives of parts."""

import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

from apps.documents.readers.errors import UnreadableTextError, in_words
from apps.documents.readers.limits import RATIO_FROM_BYTES, Limits
from apps.documents.readers.source import Source

MAGICS = (b"PK\x03\x04", b"PK\x05\x06")

#: Record at the end of an archive. A comment of at most 64 KB may follow it.
_END_RECORD = struct.Struct("<4s4H2LH")
_END_RECORD_MAGIC = b"PK\x05\x06"
#: Begins each entry of the list of parts.
_ENTRY_MAGIC = b"PK\x01\x02"
_LONG_RECORD_MAGIC = b"PK\x06\x07"
_LONG_RECORD_BYTES = 20
_MAX_COMMENT_BYTES = 0xFFFF
#: Bytes of the list of parts for each part that the limits allow. Names of parts are short.
_DIRECTORY_BYTES_A_PART = 256

#: Compressions of the formats that are read. Others take hundreds of megabytes to unpack.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")

#: Largest size of a part that is read as a whole, such as a list of contents.
SMALL_PART_BYTES = 4 * 1024**2

DAMAGED = (
    "The file is damaged or was cut off while it was sent or copied: it cannot be unpacked. "
    "Open it in the program that wrote it, save it again and send that."
)

#: Errors of the standard library for broken archives. `RuntimeError`: a part has a password.
_BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, OSError, OverflowError,
    RuntimeError, UnicodeError, ValueError, struct.error,
)  # fmt: skip


class Package:
    """The parts of a packed file. They are read from the archive by name; no part is unpacked to a disk."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.names = frozenset(archive.namelist())

    def size(self, name: str) -> int:
        """Return the unpacked size of a part, in bytes."""
        return self.archive.getinfo(name).file_size

    def require(self, name: str) -> None:
        """Raise `UnreadableTextError` if there is no such part."""
        if name not in self.names:
            raise UnreadableTextError(f"The file is damaged: its part {shown(name)} is missing. {_SAVE_AGAIN}")

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a part. It is unpacked as it is read.

        Raises:
          UnreadableTextError: The archive has no such part or is damaged.
        """
        self.require(name)
        with _damage_reported(), self.archive.open(name) as part:
            yield part

    def read(self, name: str) -> bytes:
        """Return the content of a small part."""
        if name in self.names and self.size(name) > SMALL_PART_BYTES:
            raise UnreadableTextError(
                f"The part {shown(name)} of the file has {in_words(self.size(name))}, and at most "
                f"{in_words(SMALL_PART_BYTES)} can be taken of it. {_SAVE_AGAIN}"
            )
        with self.open(name) as part:
            return part.read()


_SAVE_AGAIN = "Open the file in the program that wrote it, save it again and send that."


@contextmanager
def opened(source: Source, limits: Limits) -> Iterator[Package]:
    """Open a package whose declared parts are within the limits. No part is unpacked.

    Raises:
      UnreadableTextError: It is damaged, too large when unpacked, or names parts outside of itself.
    """
    _check_directory(source, limits)
    with _damage_reported():
        archive = zipfile.ZipFile(source.file)
    with archive:
        _check_parts(archive, source.size_bytes, limits)
        yield Package(archive)


def names(source: Source) -> frozenset[str]:
    """Return the names of the parts, to recognise the format. Empty: no archive, or a damaged one."""
    if not source.head.startswith(MAGICS):
        return frozenset()
    try:
        _check_directory(source, Limits())
        with _damage_reported(), zipfile.ZipFile(source.file) as archive:
            return frozenset(archive.namelist())
    except UnreadableTextError:
        return frozenset()


def inside(base: str, path: str) -> str:
    """Return the name of a part, from a path in the part `base`.

    Raises:
      UnreadableTextError: The path leads out of the package.
    """
    name = posixpath.normpath(posixpath.join(posixpath.dirname(base), path))
    if _OUTSIDE.search(name):
        raise points_outside(path)
    return name


def shown(name: str, *, limit: int = 80) -> str:
    """Return a name as a message shows it: printable, quoted, and cut at the limit."""
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def points_outside(name: str) -> UnreadableTextError:
    return UnreadableTextError(
        f"The file names a part {shown(name)}, which is outside of it. No writing program does that, "
        "so it is not read. Save your manuscript again and send that."
    )


@contextmanager
def _damage_reported() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise UnreadableTextError(DAMAGED) from error


def _check_directory(source: Source, limits: Limits) -> None:
    """Check the record at the end before the list of parts is loaded. A list of millions takes gigabytes."""
    parts, directory_bytes = _directory(source.file, source.size_bytes, limits)
    if parts > limits.parts or directory_bytes > limits.parts * _DIRECTORY_BYTES_A_PART:
        raise UnreadableTextError(
            f"The file is packed from {f'{parts:,}' if parts < 0xFFFF else 'over 65,000'} parts, and at most "
            f"{limits.parts:,} can be taken. Save your manuscript again, without pictures, and send that."
        )


def _directory(file: BinaryIO, size_bytes: int, limits: Limits) -> tuple[int, int]:
    """Return the number of parts of an archive, and the size of their list in bytes.

    The number is the declared one or that of the list's entries, of which the library loads all.
    """
    start = max(0, size_bytes - _END_RECORD.size - _MAX_COMMENT_BYTES - _LONG_RECORD_BYTES)
    file.seek(start)
    tail = file.read(size_bytes - start)
    at = tail.rfind(_END_RECORD_MAGIC)
    if at < 0 or len(tail) < at + _END_RECORD.size:
        raise UnreadableTextError(DAMAGED)
    if tail[max(0, at - _LONG_RECORD_BYTES) : at].startswith(_LONG_RECORD_MAGIC):
        return 0xFFFF, 0xFFFFFFFF  # An archive of the long form. No manuscript needs one.
    _, _, _, _, parts, directory_bytes, _, _ = _END_RECORD.unpack_from(tail, at)
    if directory_bytes <= limits.parts * _DIRECTORY_BYTES_A_PART:
        file.seek(max(0, start + at - directory_bytes))
        parts = max(parts, file.read(directory_bytes).count(_ENTRY_MAGIC))
    return parts, directory_bytes


def _check_parts(archive: zipfile.ZipFile, size_bytes: int, limits: Limits) -> None:
    unpacked_bytes = 0
    for part in archive.infolist():
        if _OUTSIDE.search(part.filename):
            raise points_outside(part.filename)
        if part.flag_bits & 0x1:
            raise UnreadableTextError("The file has a password. Save it without one and send that.")
        if part.compress_type not in _COMPRESSIONS:
            raise UnreadableTextError(DAMAGED)
        # The library returns at most this many bytes of a part.
        unpacked_bytes += part.file_size
    if unpacked_bytes > limits.unpacked_bytes:
        raise UnreadableTextError(
            f"The file unpacks to {in_words(unpacked_bytes, limits.unpacked_bytes)}, and at most "
            f"{in_words(limits.unpacked_bytes)} can be taken. Split it into several documents."
        )
    if unpacked_bytes > max(RATIO_FROM_BYTES, limits.unpacked_ratio * size_bytes):
        raise UnreadableTextError(
            f"The file unpacks to {in_words(unpacked_bytes)}, {unpacked_bytes // max(size_bytes, 1):,} times its size, "
            f"and at most {limits.unpacked_ratio:,} times can be taken: no manuscript does that. "
            "Save it again, or as plain text, and send that."
        )
