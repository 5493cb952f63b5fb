"""Analyse a document's text and store the figures."""

from functools import partial

from django.db import transaction

from apps.documents.analysis.findings import Findings
from apps.documents.models import Document, Manuscript
from apps.documents.services import figures, findings, manuscripts, status
from apps.documents.services.status import PROCESS_DOCUMENT
from apps.projects.services.starting import start_for
from apps.tasks import progress

#: Percent of the task at which the file is read, and at which its text is analysed.
READING_END, ANALYSIS_END = 40, 95


class ManuscriptChangedError(Exception):
    """The text was changed while it was processed. A retry gives the right figures."""


def start(document: Document, *, owner_id: int | None) -> str:
    """Send the task that processes the document, or find the unfinished one. Return its id.

    Parameters:
      owner_id: Primary key of the user who may see the task besides staff.

    Raises:
      QuotaError: The owner has too many tasks that wait or run; the message is for the owner.
      Document.DoesNotExist: The document was deleted.
    """
    return start_for(
        document,
        PROCESS_DOCUMENT,
        owner_id=owner_id,
        before_send=partial(status.write, document, Document.Status.PROCESSING),
    )


def process(document: Document) -> Findings:
    """Analyse the document's text and replace the stored figures.

    The text of a file is read first. The words, sentences and other figures are those of the whole text (without the
    header and licence of Project Gutenberg) and of each chapter. Readers of the rows see the old figures or the new
    ones, never a mixture. Two runs, also at the same time, leave the same rows as one. Progress is reported by page
    or part of the file, and by chapter.

    Raises:
      UnreadableTextError: There is no readable text; the message is for the writer. The caller writes the status.
      ManuscriptChangedError: The text was changed meanwhile. Retry.
      Document.DoesNotExist: The document was deleted, before or meanwhile.
    """
    progress.set(0, "Reading the text")
    if not status.write(document, Document.Status.PROCESSING):
        raise _gone(document)
    changed_at = manuscripts.changed_at(document)
    # No name holds the text meanwhile: it may take 200 MB, and the analysis drops it.
    found = findings.analyse(_text(document), on_progress=_report)
    progress.set(ANALYSIS_END, "Storing the figures")
    with transaction.atomic():
        if not Document.objects.select_for_update().only("pk").filter(pk=document.pk).first():
            raise _gone(document)
        if not Manuscript.objects.filter(document=document, updated_at=changed_at).exists():
            raise ManuscriptChangedError(f"The text of document {document.pk} was changed while it was processed.")
        figures.store(document, found)
        status.write(document, Document.Status.PROCESSED)
    progress.set(100, "Done")
    return found


def _text(document: Document) -> str:
    text = manuscripts.read(document, on_progress=lambda share, what: progress.set(READING_END * share, what))
    progress.set(READING_END)
    return text


def _report(share: float, what: str) -> None:
    progress.set(READING_END + (ANALYSIS_END - READING_END) * share, what or None)


def _gone(document: Document) -> Document.DoesNotExist:
    return Document.DoesNotExist(f"Document {document.pk} no longer exists.")
