"""Files that belong to a row and are deleted with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.core.files import File
from django.core.files.storage import Storage
from django.db import models, transaction
from django.db.models.signals import post_delete


class OwnedFileField(models.FileField):
    """A file field whose file is deleted with its row, in whatever way the row is deleted.

    In a `transactional` storage, such as `DatabaseStorage`, the file is deleted in the same transaction. In any other
    it is deleted after the commit, so that a rollback costs no file. No two rows may name the same file.
    """

    def contribute_to_class(self, cls: type[models.Model], name: str, *args: Any, **kwargs: Any) -> None:
        super().contribute_to_class(cls, name, *args, **kwargs)
        if not cls._meta.abstract:
            post_delete.connect(self._delete_file, sender=cls, dispatch_uid=f"{cls._meta.label}.{name}")

    def _delete_file(self, *, instance: models.Model, using: str, **kwargs: Any) -> None:
        file = getattr(instance, self.attname)
        if file:
            delete(file.storage, file.name, using=using)


@contextmanager
def saved(storage: Storage, name: str, content: "File[Any]") -> Iterator[str]:
    """Save a file for rows that are written in the block. If the block fails, rows and file are gone.

    The block is a transaction. If the storage is not `transactional`, a rollback of an outer one leaves the file.

    Yields:
      The file's name in the storage.
    """
    if getattr(storage, "transactional", False):
        with transaction.atomic():
            yield storage.save(name, content)
        return
    # Before the transaction: a remote store may be slow, and rows would be locked meanwhile.
    saved_name = storage.save(name, content)
    try:
        with transaction.atomic():
            yield saved_name
    except BaseException:
        storage.delete(saved_name)
        raise


def delete(storage: Storage, name: str, *, using: str | None = None) -> None:
    """Delete a file whose row is deleted: at once in a `transactional` storage, else after the commit.

    Parameters:
      using: Database of the transaction. None: the default one.
    """
    if getattr(storage, "transactional", False):
        storage.delete(name)
    else:
        # Robust: a store that does not answer leaves one orphan and a log line. The other files are deleted.
        transaction.on_commit(partial(storage.delete, name), using=using, robust=True)
