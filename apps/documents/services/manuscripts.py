"""Store a document with its manuscript, and return what is stored."""

import io
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO, BinaryIO, cast

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.db import transaction
from django.utils import timezone

from apps.core import owned_file
from apps.documents import readers
from apps.documents.models import Document, Manuscript, manuscript_storage, stored_name
from apps.documents.readers import names, slots
from apps.documents.readers.errors import AmbiguousEncodingError, TextTooLargeError, UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress
from apps.documents.readers.source import Source
from apps.documents.services import room
from apps.projects.models import Project

NO_MANUSCRIPT = "There is no text in this document. Upload a file or paste the text."


@dataclass(frozen=True, kw_only=True)
class Original:
    """A manuscript as the writer sent it.

    Parameters:
      file: Open for reading.
      filename: Name to download it under; never empty.
    """

    file: IO[bytes]
    filename: str
    size_bytes: int


def create(
    *,
    project: Project,
    title: str,
    data: "bytes | File[bytes] | None" = None,
    filename: str = "",
    text: str | None = None,
    expires_at: datetime | None = None,
    sender_id: int | None = None,
) -> Document:
    """Store a new document, as a draft, with an uploaded file or a pasted text.

    It is undecided if the writer must choose the encoding of the file. Faults of a file that are found quickly are
    found here; the others when it is processed.

    Parameters:
      title: Validated; at most 200 characters.
      data, filename: The uploaded file, or all of its bytes, and its name; or
      text: the pasted text. One of the two.
      expires_at: Time from which the document may be deleted. None: never.
      sender_id: Primary key of the user who adds it, to whose rate of uploads it counts. None: to no rate.

    Raises:
      QuotaError: A quota of the sender or of the project's owner is used up; the message is for the writer.
      UnreadableTextError: It holds no readable text; the message is for the writer.
      TextTooLargeError: It is larger than `DOCUMENT_MAX_UPLOAD_BYTES`. An `UnreadableTextError` too.
      ReadersBusyError: Others' files are checked. The writer sends it again in some seconds.
    """
    if (data is None) == (text is None):
        raise TypeError("create() takes either data or text")
    if data is None:
        content = pasted(text or "")
        size_bytes = len(content.encode())
        room.count(sender_id)
        with transaction.atomic():
            room.reserve(project, size_bytes=size_bytes, sender_id=sender_id)
            document = Document.objects.create(
                project=project, title=title, size_bytes=size_bytes, expires_at=expires_at
            )
            Manuscript.objects.create(document=document, text=content)
        return document
    file = ContentFile(data) if isinstance(data, bytes) else data
    _check_size(file.size)
    room.admit(project, size_bytes=file.size, sender_id=sender_id)
    readings = None
    try:
        with slots.of_user(sender_id):
            readers.check(cast(BinaryIO, file), filename=filename, limits=_limits())
    except AmbiguousEncodingError as error:
        readings = [asdict(reading) for reading in error.readings]
    filename = _stored_filename(filename)
    with owned_file.saved(manuscript_storage(), stored_name(filename=filename), file) as name:
        room.reserve(project, size_bytes=file.size, sender_id=sender_id)
        document = Document.objects.create(
            project=project,
            title=title,
            size_bytes=file.size,
            expires_at=expires_at,
            status=Document.Status.UNDECIDED if readings else Document.Status.DRAFT,
        )
        Manuscript.objects.create(document=document, filename=filename, file=name, readings=readings)
    return document


def pasted(text: str) -> str:
    """Return a pasted text as it is stored. Raises: As `create`."""
    _check_size(len(text.encode(errors="surrogatepass")))
    return readers.read_pasted(text)


def rename(document: Document, *, title: str) -> bool:
    """Change the document's title, in the row and in the object. Return whether the row exists.

    Parameters:
      title: Validated; at most 200 characters.
    """
    now = timezone.now()
    # Only these columns: a worker may be writing the others.
    took = Document.objects.filter(pk=document.pk).update(title=title, updated_at=now)
    if took:
        document.title, document.updated_at = title, now
    return bool(took)


def original(document: Document) -> Original | None:
    """Return the manuscript as the writer sent it. None: there is none, or its file is gone."""
    manuscript = Manuscript.without_text.filter(document=document).first()
    if manuscript is None:
        return None
    if not manuscript.file:
        content = manuscript.text.encode()
        filename = f"{_stored_filename(document.title) or 'manuscript'}.txt"
        return Original(file=io.BytesIO(content), filename=filename, size_bytes=len(content))
    try:
        file = manuscript.file.open()
        filename = names.download_name(Source(cast(BinaryIO, file), filename=manuscript.filename or "manuscript"))
        file.seek(0)
        return Original(file=file, filename=filename, size_bytes=file.size)
    except FileNotFoundError:
        return None


def changed_at(document: Document) -> datetime:
    """Return the time at which the manuscript was last changed. Ask for it before the text is read.

    Raises:
      UnreadableTextError: The document has no manuscript.
    """
    found = Manuscript.objects.filter(document=document).values_list("updated_at", flat=True).first()
    if found is None:
        raise UnreadableTextError(NO_MANUSCRIPT)
    return found


def read(document: Document, *, on_progress: OnProgress) -> str:
    """Return the text of the document: the pasted one, or the text of the file, read anew.

    Raises:
      UnreadableTextError: It cannot be read; the message is for the writer.
      AmbiguousEncodingError: The writer must choose its encoding. An `UnreadableTextError` too.
    """
    manuscript = Manuscript.without_text.get(document=document)
    if not manuscript.file:
        # Checked again: the row may have been written without `create`.
        return readers.checked(manuscript.text)
    with manuscript.file.open() as file:
        return readers.read(
            cast(BinaryIO, file),
            filename=manuscript.filename,
            encoding=manuscript.encoding,
            limits=_limits(),
            on_progress=on_progress,
        )


def _check_size(size_bytes: int) -> None:
    if size_bytes > settings.DOCUMENT_MAX_UPLOAD_BYTES:
        raise TextTooLargeError(size_bytes=size_bytes, limit_bytes=settings.DOCUMENT_MAX_UPLOAD_BYTES)


def _stored_filename(filename: str) -> str:
    """Return a name without path and control characters. A name that is too long is cut before its suffix."""
    name = PurePosixPath(PureWindowsPath(filename).name).name
    name = "".join(character for character in name if character.isprintable())
    if not name.strip("."):
        return ""
    limit = Manuscript._meta.get_field("filename").max_length or 0
    if len(name) > limit:
        suffix = PurePosixPath(name).suffix[-20:]
        name = name[: limit - len(suffix)] + suffix
    return name


def _limits() -> Limits:
    """Return the limits of reading a file that the settings name."""
    memory_bytes = settings.DOCUMENT_MAX_READING_MEMORY_BYTES
    return Limits(
        unpacked_bytes=settings.DOCUMENT_MAX_UNPACKED_BYTES,
        unpacked_ratio=settings.DOCUMENT_MAX_UNPACKED_RATIO,
        parts=settings.DOCUMENT_MAX_PARTS,
        pages=settings.DOCUMENT_MAX_PAGES,
        seconds=settings.DOCUMENT_MAX_READING_SECONDS,
        text_bytes=settings.DOCUMENT_MAX_UPLOAD_BYTES,
        memory_bytes=memory_bytes,
        # By the largest that one may take: the memory of a small file is limited further.
        at_once=settings.READERS_AT_ONCE or slots.count(memory_bytes=memory_bytes),
        cage_required=settings.READER_CAGE == "required",
    )
