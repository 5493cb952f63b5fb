"""The actors of documents. Each loads by id, calls one service and returns small JSON.

Imported when a process starts, so the services are imported where they are used.
"""

import logging
from typing import Any

import dramatiq
from periodiq import cron

from apps.documents.readers.errors import UnreadableTextError

logger = logging.getLogger(__name__)

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS


@dramatiq.actor(
    actor_name="documents.process_document",
    queue_name="documents",
    max_retries=3,
    min_backoff=15 * SECOND_MS,
    max_backoff=10 * MINUTE_MS,
    time_limit=30 * MINUTE_MS,
    related_to="documents.Document",
    throws=(UnreadableTextError,),
    on_retry_exhausted="documents.mark_document_failed",
)
def process_document(document_id: int) -> dict[str, Any]:
    """Count what there is to count in a document and its chapters.

    A text that cannot be read fails at once: it will be no better in 15 seconds. Anything else is tried again; the
    document is marked as failed when that is used up.
    """
    from apps.documents.models import Document
    from apps.documents.services.document_service import DocumentService

    try:
        found = DocumentService.process_document(Document.objects.get(pk=document_id))
    except Document.DoesNotExist:
        logger.warning("document gone id=%s", document_id)
        return {"note": f"Document {document_id} no longer exists."}
    except UnreadableTextError as error:
        # Dramatiq does not call `on_retry_exhausted` for what an actor throws.
        DocumentService.mark_failed(document_id, error_message=str(error))
        raise
    return {"document_id": document_id, "words": found.words, "chapters": len(found.chapters)}


@dramatiq.actor(actor_name="documents.mark_document_failed", queue_name="documents", min_backoff=SECOND_MS)
def mark_document_failed(message: dict[str, Any], retries: dict[str, Any]) -> dict[str, Any]:
    """Say on the document that its task was given up.

    Parameters:
      message: The message of the task, as Dramatiq sends it when retries are exhausted.
      retries: How often it was tried again, and how often it might.
    """
    from apps.documents.services.document_service import DocumentService

    document_id = message["args"][0] if message["args"] else message["kwargs"]["document_id"]
    marked = DocumentService.give_up(document_id, task_id=message["message_id"])
    return {"document_id": document_id, "marked": marked}


@dramatiq.actor(
    actor_name="documents.clean_expired_documents", queue_name="documents", max_retries=3, periodic=cron("0 3 * * *")
)
def clean_expired_documents() -> dict[str, int]:
    """Delete the documents whose time has passed."""
    from apps.documents.services.document_service import DocumentService

    return {"deleted": DocumentService.delete_expired()}
