"""A file that lives and dies with its row."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.core.files import File
from django.core.files.storage import Storage
from django.db import models, transaction
from django.db.models.signals import post_delete


class OwnedFileField(models.FileField):
    """A file field whose file is deleted with the row, however the row is deleted.

    Where the storage is `transactional`, as `DatabaseStorage` is, that happens in the same transaction; elsewhere after
    the commit, so that a deletion which is rolled back costs no file. A file belongs to one row: no two name the same.
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
    """Save a file for the rows that are written in the block, which is a transaction. If it fails there is no file.

    Where the storage is not `transactional`, a transaction around this one that fails later leaves the file.

    Returns:
      The name that the storage gave it.
    """
    if getattr(storage, "transactional", False):
        with transaction.atomic():
            yield storage.save(name, content)
        return
    # Before the transaction: a distant store may be slow, and rows would be locked meanwhile.
    saved_name = storage.save(name, content)
    try:
        with transaction.atomic():
            yield saved_name
    except BaseException:
        storage.delete(saved_name)
        raise


def delete(storage: Storage, name: str, *, using: str | None = None) -> None:
    """Delete a file as soon as it is sure that the row which named it is gone.

    Parameters:
      using: The database whose transaction decides. None: the default one.
    """
    if getattr(storage, "transactional", False):
        storage.delete(name)
    else:
        # Robust: a store that does not answer costs an orphan and a line in the log, not the other files.
        transaction.on_commit(partial(storage.delete, name), using=using, robust=True)
