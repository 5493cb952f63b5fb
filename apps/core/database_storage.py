"""Store files in the database, where processes on every machine find them."""

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.files import File
from django.core.files.storage import Storage
from django.db import transaction
from django.utils.deconstruct import deconstructible

from apps.core.models import StoredChunk, StoredFile

#: Bytes of a chunk. No more of a file is in memory.
CHUNK_BYTES = 1024 * 1024


@deconstructible
class DatabaseStorage(Storage):
    """A Django storage that stores files as rows, in chunks of `CHUNK_BYTES`.

    A file is written and deleted in the caller's transaction. A rollback undoes it, and other connections see it after
    the commit. Files are written as a whole: there is no appending. They have no URL.
    """

    #: Whether writing and deleting files is part of the database's transaction.
    transactional = True

    def exists(self, name: str) -> bool:
        return StoredFile.objects.filter(name=name).exists()

    def delete(self, name: str) -> None:
        """Delete a file. A missing one is no error."""
        if not name:
            raise ValueError("The name of the file to delete is empty.")
        # Its chunks go with it, in one statement and without a load.
        StoredFile.objects.filter(name=name).delete()

    def size(self, name: str) -> int:
        return self._stored(name).size_bytes

    def get_created_time(self, name: str) -> datetime:
        return self._stored(name).created_at

    def get_modified_time(self, name: str) -> datetime:
        return self._stored(name).created_at

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Return the folders and the files directly in a folder, sorted."""
        prefix = f"{path.rstrip('/')}/" if path.strip("/") else ""
        folders: set[str] = set()
        files: list[str] = []
        for name in StoredFile.objects.filter(name__startswith=prefix).order_by("name").values_list("name", flat=True):
            first, slash, _ = name[len(prefix) :].partition("/")
            if slash:
                folders.add(first)
            else:
                files.append(first)
        return sorted(folders), files

    def _open(self, name: str, mode: str = "rb") -> File:
        if mode != "rb":
            raise ValueError(f"Cannot open {name!r} with mode {mode!r}, must be 'rb'")
        stored = self._stored(name)
        raw = _StoredContent(file_id=stored.pk, name=name, size_bytes=stored.size_bytes)
        return File(io.BufferedReader(raw, buffer_size=64 * 1024), name=name)

    def _save(self, name: str, content: "File[Any]") -> str:
        with transaction.atomic():
            stored = StoredFile.objects.create(name=name, size_bytes=0)
            size_bytes = 0
            for position, chunk in enumerate(_chunks(content)):
                StoredChunk.objects.create(file=stored, position=position, content=chunk)
                size_bytes += len(chunk)
            StoredFile.objects.filter(pk=stored.pk).update(size_bytes=size_bytes)
        return name

    def _stored(self, name: str) -> StoredFile:
        stored = StoredFile.objects.filter(name=name).first()
        if stored is None:
            raise FileNotFoundError(f"There is no file {name!r} in the database.")
        return stored


def _chunks(content: "File[Any]") -> Iterator[bytes]:
    """Yield the content in chunks of exactly `CHUNK_BYTES`; the last one may be smaller."""
    if content.seekable():
        content.seek(0)
    pending = bytearray()
    while piece := content.read(CHUNK_BYTES):
        pending += piece.encode() if isinstance(piece, str) else piece
        while len(pending) >= CHUNK_BYTES:
            yield bytes(pending[:CHUNK_BYTES])
            del pending[:CHUNK_BYTES]
    if pending:
        yield bytes(pending)


class _StoredContent(io.RawIOBase):
    """Reads a stored file, with one chunk in memory at a time."""

    def __init__(self, *, file_id: int, name: str, size_bytes: int) -> None:
        super().__init__()
        self.file_id = file_id
        self.name = name
        self.size_bytes = size_bytes
        self.offset = 0
        self.position = -1
        self.chunk = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.offset

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.offset, io.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise OSError(f"Cannot seek to {base + offset} in {self.name!r}, must be 0 or more")
        self.offset = base + offset
        return self.offset

    def readinto(self, buffer: Any) -> int:
        if self.offset >= self.size_bytes:
            return 0
        position, start = divmod(self.offset, CHUNK_BYTES)
        if position != self.position:
            self.chunk = self._load(position)
            self.position = position
        taken = self.chunk[start : start + len(buffer)]
        buffer[: len(taken)] = taken
        self.offset += len(taken)
        return len(taken)

    def _load(self, position: int) -> memoryview:
        chunks = StoredChunk.objects.filter(file_id=self.file_id, position=position)
        # SQLite returns bytes, PostgreSQL a memoryview.
        content: bytes | memoryview | None = chunks.values_list("content", flat=True).first()
        if content is None:
            raise FileNotFoundError(f"The file {self.name!r} was deleted from the database while it was read.")
        return memoryview(content)
