"""What can be done with a document."""

import io
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO, Any, BinaryIO, cast

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.db import transaction
from django.utils import timezone

from apps.core import owned_file
from apps.documents import readers
from apps.documents.models import Analysis, Chapter, Document, Manuscript, manuscript_storage, stored_name
from apps.documents.readers.errors import TextTooLargeError, UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.services import findings
from apps.documents.services.findings import Figures, Findings, analyse
from apps.projects.models import Project
from apps.tasks import progress
from apps.tasks.models import TaskStatus, TaskStatusQuerySet

#: The actor that processes a document.
PROCESS_DOCUMENT = "documents.process_document"
#: So many chapters are written with one statement.
CHUNK_SIZE = 500
#: So many expired documents are deleted in one transaction: a distant store of files may take a while for each.
EXPIRED_CHUNK_SIZE = 100
#: The part of the task in which a file is read, in percent from 0.
READING_END = 40
COUNTED_FIELDS = [
    "words", "sentences", "reading_minutes", "language", "reading_ease", "grade_level", "dialogue_share",
]  # fmt: skip
#: What is a list of texts, each with a number; kept as JSON.
LISTED_FIELDS = ["keywords", "longest_sentences", "repeated_phrases"]

NO_MANUSCRIPT = "There is no text in this document. Upload a file or paste the text."
GAVE_UP = (
    "The text could not be processed because something went wrong on our side. "
    "You can start it again; if it fails again, tell support that it was task {task_id}."
)
NEVER_FINISHED = "Processing was stopped before it was done. You can start it again."


class ManuscriptChangedError(Exception):
    """The text was changed while it was processed; processing it again will give the right figures."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """What a writer sent in, as it may be sent back.

    Parameters:
      file: Open for reading.
      filename: What to call it; never empty.
    """

    file: IO[bytes]
    filename: str
    size_bytes: int


class FilesNotDeletedError(Exception):
    """120 expired documents were deleted; 3 are kept since the store did not delete their files. The next run tries."""

    def __init__(self, *, deleted: int, kept: int) -> None:
        super().__init__(
            f"{deleted:,} expired documents were deleted; {kept:,} are kept since the store did not delete their "
            "files. The next run tries again."
        )


class DocumentService:
    """The verbs of documents. The views and the actors call these and nothing below them."""

    @staticmethod
    def create(
        *,
        project: Project,
        title: str,
        data: "bytes | File[bytes] | None" = None,
        filename: str = "",
        text: str | None = None,
        expires_at: datetime | None = None,
    ) -> Document:
        """Store a new document, as a draft, with an uploaded file or a pasted text.

        What is quickly found to be wrong with a file is found here; the rest when it is processed.

        Parameters:
          title: As it came out of validation; at most 200 characters.
          data, filename: The uploaded file, or all of its bytes, and its name; or
          text: the pasted text. One of the two.
          expires_at: When cleaning up may delete the document. None: never.
        Raises:
          UnreadableText: Nothing can be read in it; the message is for the writer.
          TextTooLarge: It is larger than `DOCUMENT_MAX_UPLOAD_BYTES`. An `UnreadableText` too.
        """
        if (data is None) == (text is None):
            raise TypeError("create() takes either data or text")
        if data is None:
            assert text is not None
            _check_size(len(text.encode(errors="surrogatepass")))
            content = readers.read_pasted(text)
            with transaction.atomic():
                document = Document.objects.create(project=project, title=title, expires_at=expires_at)
                Manuscript.objects.create(document=document, text=content)
            return document
        file = ContentFile(data) if isinstance(data, bytes) else data
        _check_size(file.size)
        readers.check(cast(BinaryIO, file), filename=filename, limits=_limits())
        filename = _stored_filename(filename)
        with owned_file.saved(manuscript_storage(), stored_name(filename=filename), file) as name:
            document = Document.objects.create(project=project, title=title, expires_at=expires_at)
            Manuscript.objects.create(document=document, filename=filename, file=name)
        return document

    @staticmethod
    def rename(document: Document, *, title: str) -> bool:
        """Give the document another title, in the row and in the object.

        Parameters:
          title: As it came out of validation; at most 200 characters.
        Returns:
          Whether the row is there.
        """
        now = timezone.now()
        # Only these columns: a worker may be writing the others.
        took = Document.objects.filter(pk=document.pk).update(title=title, updated_at=now)
        if took:
            document.title, document.updated_at = title, now
        return bool(took)

    @staticmethod
    def original(document: Document) -> Original | None:
        """What the writer sent in, open for reading. None where there is nothing, or no longer."""
        manuscript = Manuscript.without_text.filter(document=document).first()
        if manuscript is None:
            return None
        if not manuscript.file:
            content = manuscript.text.encode()
            filename = f"{_stored_filename(document.title) or 'manuscript'}.txt"
            return Original(file=io.BytesIO(content), filename=filename, size_bytes=len(content))
        try:
            file = manuscript.file.open()
            return Original(file=file, filename=manuscript.filename or "manuscript", size_bytes=file.size)
        except FileNotFoundError:
            return None

    @staticmethod
    def start_processing(document: Document, *, owner_id: int | None) -> str:
        """Send the task that processes the document, unless one is on its way already.

        The document's row is locked meanwhile, so of two requests at once the second gets the first one's task.

        Parameters:
          owner_id: The user who may see the task besides staff.
        Returns:
          The id of the task, new or running.
        Raises:
          Document.DoesNotExist: Somebody deleted it.
        """
        from apps.documents.tasks import process_document

        with transaction.atomic():
            Document.objects.select_for_update().only("pk").get(pk=document.pk)
            running = _unfinished_tasks(document).first()
            if running is not None:
                return running.task_id
            _set_status(document, Document.Status.PROCESSING)
            message = process_document.send_with_options(args=(document.pk,), owner_id=owner_id)
        return str(message.message_id)

    @staticmethod
    def process_document(document: Document) -> Findings:
        """Analyse the document's text and store what was found, replacing what was found before.

        The text of a file is read first. Counts words, sentences and reading time in the whole text (without what
        Project Gutenberg puts around a book) and in each chapter. Readers see the old figures or the new ones, never
        some of both; run again or twice at the same time, it leaves the same rows. Reports progress by page or part
        of the file, and by chapter.

        Raises:
          UnreadableText: There is nothing to read; the message is for the writer. The status is left to the caller.
          ManuscriptChanged: The text was changed meanwhile: try again.
          Document.DoesNotExist: It was deleted, be it meanwhile.
        """
        progress.set(0, "Reading the text")
        if not _set_status(document, Document.Status.PROCESSING):
            raise Document.DoesNotExist(f"Document {document.pk} no longer exists.")
        changed_at = _changed_at(document)
        # No name holds the text meanwhile: it may take 200 MB, and the analysis makes a copy and lets go of it.
        found = analyse(_text(document))
        progress.set(findings.CHAPTERS_END, "Storing the figures")
        with transaction.atomic():
            if not Document.objects.select_for_update().only("pk").filter(pk=document.pk).first():
                raise Document.DoesNotExist(f"Document {document.pk} no longer exists.")
            if not Manuscript.objects.filter(document=document, updated_at=changed_at).exists():
                raise ManuscriptChangedError(f"The text of document {document.pk} was changed while it was processed.")
            _store(document, found)
            _set_status(document, Document.Status.PROCESSED)
        progress.set(100, "Done")
        return found

    @staticmethod
    def mark_failed(document_id: int, *, error_message: str, by_task: str | None = None) -> bool:
        """Say on the document that processing failed, and why.

        Parameters:
          error_message: For the writer.
          by_task: The task that failed. When another one is on its way by now, nothing is changed.
        Returns:
          Whether it was changed; a document that is gone or was processed meanwhile is not.
        """
        with transaction.atomic():
            document = (
                Document.objects.select_for_update().filter(pk=document_id, status=Document.Status.PROCESSING).first()
            )
            if document is None:
                return False
            if by_task is not None and _unfinished_tasks(document).exclude(task_id=by_task).exists():
                return False
            return _set_status(document, Document.Status.FAILED, error_message=error_message)

    @staticmethod
    def give_up(document_id: int, *, task_id: str) -> bool:
        """Say on the document that a task failed as often as it may. Returns as `mark_failed`."""
        return DocumentService.mark_failed(document_id, error_message=GAVE_UP.format(task_id=task_id), by_task=task_id)

    @staticmethod
    def settle(document: Document) -> Document:
        """Mend a document that says "processing" though no task is on its way any more.

        A task that is cancelled, that expires or whose workers die too often cannot say so on the document itself.
        Call it before showing a document; for one that is not being processed it costs nothing.

        Returns:
          The same object, with the status that is now true.
        """
        if document.status != Document.Status.PROCESSING or _unfinished_tasks(document).exists():
            return document
        last = _tasks(document).first()
        # A stale second run of a task may have written the status after the first was done.
        if last is not None and last.status == TaskStatus.STATUS_COMPLETED:
            Document.objects.filter(pk=document.pk, status=Document.Status.PROCESSING).update(
                status=Document.Status.PROCESSED
            )
        elif last is not None and last.status == TaskStatus.STATUS_FAILED:
            DocumentService.give_up(document.pk, task_id=last.task_id)
        else:
            DocumentService.mark_failed(document.pk, error_message=NEVER_FINISHED, by_task="")
        document.refresh_from_db(fields=["status", "error_message", "updated_at"])
        return document

    @staticmethod
    def delete_expired() -> int:
        """Delete the documents whose `expires_at` has passed, and their files, in chunks.

        Each chunk is a transaction of its own: whatever stops this, the next run goes on. A document whose file the
        store does not delete is kept, so that the next run finds both.

        Returns:
          How many they were.
        Raises:
          FilesNotDeleted: Some are kept for that reason. All others are deleted.
        """
        now = timezone.now()
        expired = Document.objects.filter(expires_at__lte=now).order_by("pk")
        total = expired.count()
        deleted, last, kept = 0, 0, list[Exception]()
        while keys := list(expired.filter(pk__gt=last).values_list("pk", flat=True)[:EXPIRED_CHUNK_SIZE]):
            last = keys[-1]
            with transaction.atomic():
                # Asked again and locked, since an expiry may have been put off a moment ago.
                chunk = set(expired.filter(pk__in=keys).select_for_update().values_list("pk", flat=True))
                chunk -= _with_kept_files(chunk, failures=kept)
                _, by_model = Document.objects.filter(pk__in=chunk).delete()
            deleted += by_model.get(Document._meta.label, 0)
            progress.set(100 * deleted / max(total, deleted), f"{deleted:,} of {total:,} deleted")
        if kept:
            raise FilesNotDeletedError(deleted=deleted, kept=len(kept)) from kept[0]
        return deleted


def _with_kept_files(document_ids: Collection[int], *, failures: list[Exception]) -> set[int]:
    """Delete the documents' files where their storage would not do so in the rows' own transaction.

    Parameters:
      failures: What went wrong is added here.
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
    # The deletion of the rows need not ask the store again.
    Manuscript.objects.filter(pk__in=gone).update(file="")
    return still_there


def _check_size(size_bytes: int) -> None:
    if size_bytes > settings.DOCUMENT_MAX_UPLOAD_BYTES:
        raise TextTooLargeError(size_bytes=size_bytes, limit_bytes=settings.DOCUMENT_MAX_UPLOAD_BYTES)


def _stored_filename(filename: str) -> str:
    """The name without a path and without control characters; too long a name keeps its suffix."""
    name = PurePosixPath(PureWindowsPath(filename).name).name
    name = "".join(character for character in name if character.isprintable())
    if not name.strip("."):
        return ""
    limit = Manuscript._meta.get_field("filename").max_length or 0
    if len(name) > limit:
        suffix = PurePosixPath(name).suffix[-20:]
        name = name[: limit - len(suffix)] + suffix
    return name


def _tasks(document: Document) -> TaskStatusQuerySet:
    """The tasks that process the document, did or will, the newest first."""
    return TaskStatus.objects.about(document).filter(task_name=PROCESS_DOCUMENT).order_by("-pk")


def _unfinished_tasks(document: Document) -> TaskStatusQuerySet:
    return _tasks(document).unfinished()


def _set_status(document: Document, status: Document.Status, *, error_message: str = "") -> bool:
    """Write the status, in the row and in the object. Returns whether the row is there."""
    now = timezone.now()
    took = Document.objects.filter(pk=document.pk).update(status=status, error_message=error_message, updated_at=now)
    if took:
        document.status, document.error_message, document.updated_at = status, error_message, now
    return bool(took)


def _changed_at(document: Document) -> datetime:
    """When the text was last changed. Asked for before the text is read."""
    changed_at = Manuscript.objects.filter(document=document).values_list("updated_at", flat=True).first()
    if changed_at is None:
        raise UnreadableTextError(NO_MANUSCRIPT)
    return changed_at


def _text(document: Document) -> str:
    """The text of the document: as it was pasted, or as it is read from the file."""
    manuscript = Manuscript.without_text.get(document=document)
    if not manuscript.file:
        # Checked again, since rows may come from elsewhere than `create`.
        return readers.checked(manuscript.text)

    def report(share: float, what: str) -> None:
        progress.set(READING_END * share, what)

    with manuscript.file.open() as file:
        text = readers.read(cast(BinaryIO, file), filename=manuscript.filename, limits=_limits(), on_progress=report)
    progress.set(READING_END)
    return text


def _limits() -> Limits:
    """What reading a file may cost, as the settings have it."""
    return Limits(
        unpacked_bytes=settings.DOCUMENT_MAX_UNPACKED_BYTES,
        unpacked_ratio=settings.DOCUMENT_MAX_UNPACKED_RATIO,
        parts=settings.DOCUMENT_MAX_PARTS,
        pages=settings.DOCUMENT_MAX_PAGES,
        seconds=settings.DOCUMENT_MAX_READING_SECONDS,
        text_bytes=settings.DOCUMENT_MAX_UPLOAD_BYTES,
        memory_bytes=settings.DOCUMENT_MAX_READING_MEMORY_BYTES,
    )


def _store(document: Document, found: Findings) -> None:
    """Write the figures over what is there. Rows keep their ids; there are none left over."""
    Analysis.objects.update_or_create(document=document, defaults=_columns(found))
    limit = Chapter._meta.get_field("title").max_length
    rows = (
        Chapter(document=document, position=position, title=chapter.title[:limit], **_columns(chapter))
        for position, chapter in enumerate(found.chapters, start=1)
    )
    # Not in one call, which would first make all the rows.
    while some := list(islice(rows, CHUNK_SIZE)):
        Chapter.objects.bulk_create(
            some,
            update_conflicts=True,
            unique_fields=["document", "position"],
            update_fields=["title", *COUNTED_FIELDS, *LISTED_FIELDS, "updated_at"],
        )
    Chapter.objects.filter(document=document, position__gt=len(found.chapters)).delete()


def _columns(figures: Figures) -> dict[str, Any]:
    counted = {field: getattr(figures, field) for field in COUNTED_FIELDS}
    return counted | {field: [asdict(entry) for entry in getattr(figures, field)] for field in LISTED_FIELDS}
