"""The actors of documents. Each loads by id, calls one service and returns small JSON.

Every process imports this module at its start, so services are imported on use.
"""

import logging
from typing import Any

import dramatiq
from periodiq import cron

from apps.documents.forms import CleanUpForm
from apps.documents.readers.errors import AmbiguousEncodingError, UnreadableTextError
from apps.tasks.errors import QueueFullError, Snooze
from apps.tasks.schedules.allowed import schedulable

logger = logging.getLogger(__name__)

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS


@dramatiq.actor(
    actor_name="documents.process_document",
    queue_name="documents",
    unique=True,
    max_retries=3,
    min_backoff=15 * SECOND_MS,
    max_backoff=10 * MINUTE_MS,
    time_limit=30 * MINUTE_MS,
    idempotent=True,
    related_to="documents.Document",
    # The many documents of one user do not hold up the one of another.
    fair_by="owner",
    throws=(UnreadableTextError,),
    on_retry_exhausted="documents.mark_document_failed",
)
def process_document(document_id: int) -> dict[str, Any]:
    """Analyse a document and its chapters.

    The writer is asked for the encoding of a file where it cannot be told. A text that cannot be read fails at once,
    since a retry would not help. Any other error is retried; when the retries are used up, the document is marked as
    failed.
    """
    from apps.documents.models import Document
    from apps.documents.services.document_service import DocumentService
    from apps.documents.services.processing import ManuscriptChangedError

    try:
        found = DocumentService.process_document(Document.objects.get(pk=document_id))
    except Document.DoesNotExist:
        logger.warning("document gone id=%s", document_id)
        return {"note": f"Document {document_id} no longer exists."}
    except AmbiguousEncodingError as error:
        if not DocumentService.ask_for_encoding(document_id, error.readings):
            raise ManuscriptChangedError(document_id) from None
        return {"document_id": document_id, "note": "The writer chooses how the text reads."}
    except UnreadableTextError as error:
        # Dramatiq does not call `on_retry_exhausted` for what an actor throws.
        DocumentService.mark_failed(document_id, error_message=str(error))
        raise
    return {"document_id": document_id, "words": found.words, "chapters": len(found.chapters)}


@dramatiq.actor(
    actor_name="documents.process_project",
    queue_name="documents",
    unique=True,
    max_retries=3,
    time_limit=5 * MINUTE_MS,
    idempotent=True,
    related_to="projects.Project",
)
def process_project(project_id: int) -> dict[str, int]:
    """Send the task of each draft of a project. The tasks have the owner of this one.

    If the queue is full, the rest is sent later.
    """
    from apps.documents.services.document_service import DocumentService

    try:
        return {"project_id": project_id, "started": DocumentService.start_drafts(project_id)}
    except QueueFullError as error:
        raise Snooze(delay=MINUTE_MS) from error


@dramatiq.actor(
    actor_name="documents.mark_document_failed",
    queue_name="documents",
    max_retries=20,
    min_backoff=SECOND_MS,
    time_limit=20 * SECOND_MS,
    idempotent=True,
)
def mark_document_failed(message: dict[str, Any], retries: dict[str, Any]) -> dict[str, Any]:
    """Write on the document that its task used up its retries.

    Parameters:
      message: The message of the task, as Dramatiq sends it when retries are exhausted.
      retries: Number of retries, and their limit.
    """
    from apps.documents.services.document_service import DocumentService

    document_id = message["args"][0] if message["args"] else message["kwargs"]["document_id"]
    marked = DocumentService.give_up(document_id, task_id=message["message_id"])
    return {"document_id": document_id, "marked": marked}


@dramatiq.actor(
    actor_name="documents.clean_expired_documents",
    queue_name="documents",
    max_retries=3,
    time_limit=30 * MINUTE_MS,
    idempotent=True,
    periodic=cron("0 3 * * *"),
)
def clean_expired_documents(days_kept: int = 0) -> dict[str, int]:
    """Delete the documents whose `expires_at` has passed.

    Parameters:
      days_kept: Days after `expires_at` for which they are kept.
    """
    from apps.documents.services.document_service import DocumentService

    return {"deleted": DocumentService.delete_expired(days_kept=days_kept)}


schedulable(clean_expired_documents, form=CleanUpForm)
