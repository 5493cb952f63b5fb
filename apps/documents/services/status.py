"""Keep the status of documents true, also when their tasks end without writing it."""

from collections.abc import Iterable
from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from apps.documents.models import Document, Manuscript
from apps.tasks.models import TaskStatus, TaskStatusQuerySet

#: Name of the actor that processes a document.
PROCESS_DOCUMENT = "documents.process_document"

GAVE_UP = (
    "The text could not be processed because something went wrong on our side. "
    "You can start it again; if it fails again, tell support that it was task {task_id}."
)
NEVER_FINISHED = "Processing was stopped before it was done. You can start it again."


def write(document: Document, status: Document.Status, *, error_message: str = "") -> bool:
    """Write the status, in the row and in the object. Return whether the row exists."""
    now = timezone.now()
    took = Document.objects.filter(pk=document.pk).update(status=status, error_message=error_message, updated_at=now)
    if took:
        document.status, document.error_message, document.updated_at = status, error_message, now
    return bool(took)


def mark_failed(document_id: int, *, error_message: str, by_task: str | None = None) -> bool:
    """Write on the document that processing failed, and why. Return whether it was written.

    A document that is gone, or was processed meanwhile, stays as it is.

    Parameters:
      error_message: For the writer.
      by_task: Id of the task that failed. If another task is unfinished by now, nothing is written.
    """
    with transaction.atomic():
        document = (
            Document.objects.select_for_update().filter(pk=document_id, status=Document.Status.PROCESSING).first()
        )
        if document is None:
            return False
        if by_task is not None and _tasks(document).unfinished().exclude(task_id=by_task).exists():
            return False
        return write(document, Document.Status.FAILED, error_message=error_message)


def give_up(document_id: int, *, task_id: str) -> bool:
    """Write on the document that its task used up its retries. Returns as `mark_failed`."""
    return mark_failed(document_id, error_message=GAVE_UP.format(task_id=task_id), by_task=task_id)


def settle(document: Document) -> Document:
    """Correct the status of a document that says "processing" although no task is unfinished.

    A task that is cancelled, that expires or that fails as poison cannot write the status itself. Call this before a
    document is shown. It sends no query for a document that is not being processed.

    Returns:
      The same object, with its true status.

    Raises:
      Document.DoesNotExist: The document was deleted meanwhile.
    """
    if document.status != Document.Status.PROCESSING or _tasks(document).unfinished().exists():
        return document
    last = _tasks(document).first()
    # A stale second run of a task may have written the status after the first was done.
    if last is not None and last.status == TaskStatus.STATUS_COMPLETED:
        asks = Manuscript.objects.filter(document=document, encoding="", readings__isnull=False).exists()
        Document.objects.filter(pk=document.pk, status=Document.Status.PROCESSING).update(
            status=Document.Status.UNDECIDED if asks else Document.Status.PROCESSED
        )
    elif last is not None and last.status == TaskStatus.STATUS_FAILED:
        give_up(document.pk, task_id=last.task_id)
    else:
        mark_failed(document.pk, error_message=NEVER_FINISHED, by_task="")
    document.refresh_from_db(fields=["status", "error_message", "updated_at"])
    return document


def running_tasks(documents: Iterable[Document]) -> dict[int, TaskStatus]:
    """Return the unfinished task of each document that says "processing", by the document's id.

    The other documents that say so are settled. Their figures may be newer than those that the caller has read, so the
    caller reads them again.
    """
    processing = {document.pk: document for document in documents if document.status == Document.Status.PROCESSING}
    if not processing:
        return {}
    tasks = TaskStatus.objects.unfinished().filter(
        task_name=PROCESS_DOCUMENT, related_object_type=Document._meta.label, related_object_id__in=list(processing)
    )
    running = {task.related_object_id: task for task in tasks.order_by("pk") if task.related_object_id is not None}
    for pk in processing.keys() - running.keys():
        with suppress(Document.DoesNotExist):
            settle(processing[pk])
    return running


def _tasks(document: Document) -> TaskStatusQuerySet:
    """Return all tasks that process the document, the newest first."""
    return TaskStatus.objects.about(document).filter(task_name=PROCESS_DOCUMENT).order_by("-pk")
