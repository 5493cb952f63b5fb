"""Delete expired documents and their files."""

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.documents.models import Document, Manuscript
from apps.tasks import progress

#: Documents that one transaction deletes. A remote file store may take a while for each.
BATCH_SIZE = 100


class FilesNotDeletedError(Exception):
    """120 expired documents were deleted; 3 are kept since the store did not delete their files. The next run tries."""

    def __init__(self, *, deleted: int, kept: int) -> None:
        super().__init__(
            f"{deleted:,} expired documents were deleted; {kept:,} are kept since the store did not delete their "
            "files. The next run tries again."
        )


def delete_expired(*, days_kept: int = 0) -> int:
    """Delete the documents whose `expires_at` has passed, and their files, in batches. Return their number.

    Each batch is a transaction of its own, so an interrupted run leaves the rest to the next one. A document whose
    file the store does not delete is kept, so that the next run finds both.

    Parameters:
      days_kept: Days after `expires_at` for which they are kept.

    Raises:
      FilesNotDeletedError: Some documents are kept for that reason. All others are deleted.
    """
    before = timezone.now() - timedelta(days=days_kept)
    expired = Document.objects.filter(expires_at__lte=before).order_by("pk")
    total = expired.count()
    deleted, last, failures = 0, 0, list[Exception]()
    while keys := list(expired.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH_SIZE]):
        last = keys[-1]
        with transaction.atomic():
            # Read again and locked: `expires_at` may have been changed a moment ago.
            batch = set(expired.filter(pk__in=keys).select_for_update().values_list("pk", flat=True))
            batch -= delete_files(batch, failures=failures)
            _, by_model = Document.objects.filter(pk__in=batch).delete()
        deleted += by_model.get(Document._meta.label, 0)
        progress.set(100 * deleted / max(total, deleted), f"{deleted:,} of {total:,} deleted")
    if failures:
        raise FilesNotDeletedError(deleted=deleted, kept=len(failures)) from failures[0]
    return deleted


def delete_files(document_ids: Collection[int], *, failures: list[Exception]) -> set[int]:
    """Delete the documents' files in a store that is not part of the rows' transaction.

    Parameters:
      failures: Errors of the store are appended here.

    Returns:
      The ids of the documents whose files are still there.
    """
    still_there: set[int] = set()
    gone: list[int] = []
    for manuscript in Manuscript.without_text.filter(document__in=document_ids).exclude(file=""):
        if getattr(manuscript.file.storage, "transactional", False):
            continue
        try:
            manuscript.file.storage.delete(str(manuscript.file.name))
        except Exception as error:
            failures.append(error)
            still_there.add(manuscript.document_id)
        else:
            gone.append(manuscript.pk)
    # So that the deletion of the rows does not ask the store a second time.
    Manuscript.objects.filter(pk__in=gone).update(file="")
    return still_there
