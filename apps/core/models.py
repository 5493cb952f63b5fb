"""The base of all models, and files that are stored in the database."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import models


class BaseModel(models.Model):
    """Adds the times of a row's insert and of its last update."""

    created_at = models.DateTimeField(
        auto_now_add=True, help_text="Time of the insert, in UTC. Written once, by Django."
    )
    updated_at = models.DateTimeField(
        auto_now=True, help_text="Time of the last write, in UTC. Written by Django on save, and by every update."
    )

    class Meta:
        abstract = True


class StoredFile(models.Model):
    """A file in the database. Its bytes are in its chunks."""

    name = models.CharField(
        max_length=255, unique=True, help_text="Name by which the storage finds the file. Written by `DatabaseStorage`."
    )
    size_bytes = models.PositiveBigIntegerField(
        help_text="Size of all chunks together, in bytes. Written by `DatabaseStorage` after the last chunk."
    )
    created_at = models.DateTimeField(
        auto_now_add=True, help_text="Time of the insert, in UTC. Written once, by Django."
    )

    def __str__(self) -> str:
        return self.name


class StoredChunk(models.Model):
    """A piece of a stored file. All but the last have the same size, so the chunk of any byte is known."""

    file = models.ForeignKey(
        StoredFile,
        on_delete=models.CASCADE,
        related_name="chunks",
        db_index=False,
        help_text="File that the chunk belongs to. Written by `DatabaseStorage`.",
    )
    position = models.PositiveIntegerField(
        help_text="Place among the chunks of the file, from 0. Written by `DatabaseStorage`."
    )
    content = models.BinaryField(
        help_text="At most `CHUNK_BYTES` bytes of the file. Written once, by `DatabaseStorage`."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "position"], name="core_storedchunk_position")]

    def __str__(self) -> str:
        return f"chunk {self.position} of file {self.file_id}"


def __getattr__(name: str) -> Any:
    """Return the project's user model as `User`: code from before `apps.accounts` imports it from here."""
    if name == "User":
        return get_user_model()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
