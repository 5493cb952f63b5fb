"""What every app's models stand on."""

from django.db import models


class BaseModel(models.Model):
    """When a row was made and last changed, in UTC."""

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class StoredFile(models.Model):
    """A file that is kept in the database; its bytes are in its chunks. Written by `DatabaseStorage` alone."""

    name = models.CharField(max_length=255, unique=True)
    size_bytes = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class StoredChunk(models.Model):
    """A piece of a stored file; all but the last are of the same size, so that any byte is found at once."""

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    position = models.PositiveIntegerField(help_text="0 for the first piece.")
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "position"], name="core_storedchunk_position")]

    def __str__(self) -> str:
        return f"piece {self.position} of file {self.file_id}"
