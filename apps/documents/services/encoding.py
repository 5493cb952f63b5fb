"""The encoding of a file, which its writer chooses where it cannot be told."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.documents.models import Document, Manuscript
from apps.documents.readers.previews import Reading
from apps.documents.services import processing, status


class UnknownEncodingError(Exception):
    """Choose one of: cp850, mac_roman. The message is for the writer.

    Parameters:
      offered: Names of the encodings among which the writer chooses.
    """

    def __init__(self, offered: Sequence[str]) -> None:
        super().__init__(
            f"Choose one of: {', '.join(offered)}." if offered else "The encoding of this text is no question."
        )


def readings_of(document: Document) -> tuple[list[dict[str, Any]], str]:
    """Return the readings of the document's file, and the encoding that was chosen. Empty: none."""
    found = Manuscript.objects.filter(document=document).values_list("readings", "encoding").first()
    return (found[0] or [], found[1]) if found else ([], "")


def ask(document_id: int, readings: Sequence[Reading]) -> bool:
    """Ask the writer for one of the readings. Return False if the writer has chosen meanwhile, or the file is gone."""
    with transaction.atomic():
        document = Document.objects.select_for_update().filter(pk=document_id).first()
        took = Manuscript.objects.filter(document=document_id, encoding="").update(
            readings=[asdict(reading) for reading in readings]
        )
        return bool(took and document and status.write(document, Document.Status.UNDECIDED))


def choose(document: Document, *, encoding: str, owner_id: int | None) -> str:
    """Store the encoding that the writer chose, and process the document. Return the id of the task.

    Raises:
      UnknownEncodingError: It is none of the readings; the message is for the writer.
      QuotaError: The owner has too many tasks that wait or run. Nothing is stored.
      Document.DoesNotExist: The document was deleted.
    """
    offered = [reading["encoding"] for reading in readings_of(document)[0]]
    if encoding not in offered:
        raise UnknownEncodingError(offered)
    with transaction.atomic():
        task_id = processing.start(document, owner_id=owner_id)
        # A task that reads it already starts over.
        Manuscript.objects.filter(document=document).update(encoding=encoding, updated_at=timezone.now())
    return task_id
