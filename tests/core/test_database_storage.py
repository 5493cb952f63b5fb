"""Files in the database, written and read in chunks, in the transaction of their writer."""

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile, File
from django.db import transaction

from apps.core.database_storage import CHUNK_BYTES, DatabaseStorage
from apps.core.models import StoredChunk, StoredFile

pytestmark = pytest.mark.django_db


@pytest.fixture
def storage() -> DatabaseStorage:
    return DatabaseStorage()


@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])
def test_a_file_is_read_as_it_was_written(storage: DatabaseStorage, size_bytes: int) -> None:
    content = bytes(range(256)) * (size_bytes // 256 + 1)
    name = storage.save("a/b.txt", ContentFile(content[:size_bytes]))

    assert storage.size(name) == size_bytes
    with storage.open(name) as file:
        assert file.read() == content[:size_bytes]
    assert StoredChunk.objects.count() == -(-size_bytes // CHUNK_BYTES)


def test_a_file_may_come_in_pieces_of_any_size(storage: DatabaseStorage) -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 100_000))

    content = b"0123456789" * 250_000
    name = storage.save("a", File(Dripping(content)))
    assert storage.open(name).read() == content
    assert StoredChunk.objects.count() == 3


def test_any_part_of_a_file_can_be_read(storage: DatabaseStorage) -> None:
    content = bytes(number % 251 for number in range(2 * CHUNK_BYTES + 100))
    with storage.open(storage.save("a", ContentFile(content))) as file:
        for place in (0, 2 * CHUNK_BYTES - 10, 5, CHUNK_BYTES - 3, len(content) - 4):
            file.seek(place)
            assert file.read(50) == content[place : place + 50]
            assert file.tell() == min(place + 50, len(content))
        assert file.seek(-5, io.SEEK_END) == len(content) - 5
        assert file.read() == content[-5:]
        assert file.read(10) == b""
        with pytest.raises((OSError, ValueError)):
            file.seek(-1)


def test_a_name_that_is_taken_gives_way(storage: DatabaseStorage) -> None:
    first = storage.save("a.txt", ContentFile(b"first"))
    second = storage.save("a.txt", ContentFile(b"second"))
    assert first != second
    assert (storage.open(first).read(), storage.open(second).read()) == (b"first", b"second")


def test_a_deleted_file_is_gone_with_its_pieces(storage: DatabaseStorage) -> None:
    name = storage.save("a", ContentFile(b"x" * (CHUNK_BYTES + 1)))
    other = storage.save("b", ContentFile(b"y"))
    storage.delete(name)
    storage.delete(name)  # A second deletion is no error.
    assert not storage.exists(name)
    assert storage.open(other).read() == b"y"
    assert (StoredFile.objects.count(), StoredChunk.objects.count()) == (1, 1)
    with pytest.raises(FileNotFoundError, match="There is no file 'a' in the database"):
        storage.open(name)
    with pytest.raises(ValueError, match="empty"):
        storage.delete("")


def test_a_file_that_is_deleted_while_it_is_read_says_so(storage: DatabaseStorage) -> None:
    file = storage.open(storage.save("a", ContentFile(b"x" * 3 * CHUNK_BYTES)))
    file.read(10)
    storage.delete("a")
    with pytest.raises(FileNotFoundError, match="deleted from the database while it was read"):
        file.read()


def test_files_are_only_read_and_written_whole(storage: DatabaseStorage) -> None:
    name = storage.save("a", ContentFile(b"x"))
    with pytest.raises(ValueError, match="'ab', must be 'rb'"):
        storage.open(name, "ab")
    with pytest.raises(NotImplementedError):
        storage.url(name)


def test_folders_are_listed(storage: DatabaseStorage) -> None:
    for name in ("a/1", "a/2", "a/b/3", "c", "ab/4"):
        storage.save(name, ContentFile(b"x"))
    assert storage.listdir("") == (["a", "ab"], ["c"])
    assert storage.listdir("a") == (["b"], ["1", "2"])
    assert storage.get_created_time("c") == storage.get_modified_time("c")


@pytest.mark.django_db(transaction=True)
def test_a_file_comes_and_goes_with_the_transaction(storage: DatabaseStorage) -> None:
    kept = storage.save("kept", ContentFile(b"x"))
    with pytest.raises(RuntimeError), transaction.atomic():
        storage.save("new", ContentFile(b"x" * (CHUNK_BYTES + 1)))
        storage.delete(kept)
        raise RuntimeError
    assert list(StoredFile.objects.values_list("name", flat=True)) == ["kept"]
    assert StoredChunk.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_file_whose_source_breaks_off_is_not_there(storage: DatabaseStorage) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > CHUNK_BYTES:
                raise OSError("the line went dead")
            return super().read(size)

    with pytest.raises(OSError, match="the line went dead"):
        storage.save("a", File(Broken(b"x" * 5 * CHUNK_BYTES)))
    assert not StoredFile.objects.exists()
    assert not StoredChunk.objects.exists()


def test_a_large_file_is_never_in_memory_as_a_whole(storage: DatabaseStorage) -> None:
    """Some chunks are copies: one for the reader, one for the writer, one in the driver."""

    class Endless(io.RawIOBase):
        left = 40 * CHUNK_BYTES

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), self.left)
            buffer[:size] = b"x" * size
            self.left -= size
            return size

    def pieces(file: File) -> Iterator[bytes]:
        while piece := file.read(64 * 1024):
            yield piece

    tracemalloc.start()
    try:
        name = storage.save("a", File(io.BufferedReader(Endless())))
        with storage.open(name) as file:
            assert sum(len(piece) for piece in pieces(file)) == 40 * CHUNK_BYTES
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 12 * CHUNK_BYTES
