"""Analyse a document's text and store the figures."""

from functools import partial
from typing import Any

import dramatiq
from django.db import transaction
from django.utils import timezone

from apps.documents.analysis.findings import Findings
from apps.documents.models import Document, Manuscript
from apps.documents.readers import slots
from apps.documents.services import figures, findings, manuscripts, status
from apps.documents.services.status import PROCESS_DOCUMENT
from apps.projects.models import Project
from apps.projects.services.starting import start_for
from apps.tasks import progress
from apps.tasks.log_context import running_message
from apps.tasks.models import TaskStatus

#: Name of the actor that starts all drafts of a project.
PROCESS_PROJECT = "documents.process_project"
#: Drafts that one transaction starts.
DRAFTS_AT_ONCE = 100
#: Percent of the task at which the file is read, and at which its text is analysed.
READING_END, ANALYSIS_END = 40, 95


class ManuscriptChangedError(Exception):
    """The text was changed while it was processed. A retry gives the right figures."""

    def __init__(self, document_id: int) -> None:
        super().__init__(f"The text of document {document_id} was changed while it was processed.")


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
        and_then=partial(status.write, document, Document.Status.PROCESSING),
    )


def start_project(project: Project, *, owner_id: int | None) -> str:
    """Send the task that starts all drafts of the project, or find the unfinished one. Return its id.

    Parameters:
      owner_id: Primary key of the user whose tasks they are.

    Raises:
      QuotaError: The owner has too many tasks that wait or run; the message is for the owner.
      Project.DoesNotExist: The project was deleted.
    """
    return start_for(project, PROCESS_PROJECT, owner_id=owner_id)


def newest_project_task(project: Project) -> TaskStatus | None:
    """Return the newest task that starts, started or will start the drafts of the project."""
    return TaskStatus.objects.about(project).filter(task_name=PROCESS_PROJECT).order_by("-pk").first()


def start_drafts(project_id: int) -> int:
    """Send the task of each draft of a project. Return their number.

    Each batch is one transaction and one insert. A second run starts the drafts that the first one left.
    """
    drafts = Document.objects.filter(project_id=project_id, status=Document.Status.DRAFT).order_by("pk")
    total, started = drafts.count(), 0
    broker: Any = dramatiq.get_broker()
    actor = broker.get_actor(PROCESS_DOCUMENT)
    while True:
        with transaction.atomic():
            keys = list(drafts.select_for_update().values_list("pk", flat=True)[:DRAFTS_AT_ONCE])
            if not keys:
                return started
            Document.objects.filter(pk__in=keys).update(
                status=Document.Status.PROCESSING, error_message="", updated_at=timezone.now()
            )
            broker.send_many([actor.message(pk) for pk in keys])
        started += len(keys)
        progress.set(100 * started / max(total, started), f"{started:,} of {max(total, started):,} started")


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
    with slots.of_user(_user_of(document)):
        # No name holds the text meanwhile: it may take 200 MB, and the analysis drops it.
        found = findings.analyse(_text(document), on_progress=_report)
    progress.set(ANALYSIS_END, "Storing the figures")
    with transaction.atomic():
        if not Document.objects.select_for_update().only("pk").filter(pk=document.pk).first():
            raise _gone(document)
        if not Manuscript.objects.filter(document=document, updated_at=changed_at).exists():
            raise ManuscriptChangedError(document.pk)
        # It was read without a choice, so nothing is left to ask.
        Manuscript.objects.filter(document=document, encoding="", readings__isnull=False).update(readings=None)
        figures.store(document, found)
        status.write(document, Document.Status.PROCESSED)
    progress.set(100, "Done")
    return found


def _user_of(document: Document) -> int:
    """Return the user who started the task that runs, or the owner of the project."""
    starter: int | None = getattr(running_message(), "owner_id", None)
    return document.project.owner_id if starter is None else starter


def _text(document: Document) -> str:
    text = manuscripts.read(document, on_progress=lambda share, what: progress.set(READING_END * share, what))
    progress.set(READING_END)
    return text


def _report(share: float, what: str) -> None:
    progress.set(READING_END + (ANALYSIS_END - READING_END) * share, what or None)


def _gone(document: Document) -> Document.DoesNotExist:
    return Document.DoesNotExist(f"Document {document.pk} no longer exists.")
