"""Documents in the API, for the owner and the members of their project."""

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.http.response import HttpResponseBase
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from apps.core.api.body import LimitedBody
from apps.core.api.download import download
from apps.core.api.errors import RequestTooLargeError, UnavailableError
from apps.core.api.formats import JSONParser
from apps.documents.models import Chapter, Document
from apps.documents.readers.errors import ReadersBusyError, TextTooLargeError, UnreadableTextError
from apps.documents.serializers import (
    SHOWN_CHAPTERS,
    ChapterSerializer,
    DocumentLineSerializer,
    DocumentQuerySerializer,
    DocumentSerializer,
    EncodingSerializer,
    MoveSerializer,
    NewDocumentSerializer,
)
from apps.documents.services.document_service import DocumentService
from apps.documents.services.encoding import UnknownEncodingError
from apps.documents.services.order import OrderChangedError
from apps.projects.access import require
from apps.projects.models import Project, Role
from apps.tasks.api.views import task_started

#: Bytes of a form besides the file: the other fields and the boundaries.
FORM_BYTES = 64 * 1024
#: Size of a text in JSON, as a multiple of its size in UTF-8: six bytes for a letter of two.
JSON_FACTOR = 3


#: Roles that actions on a document need. Any other action needs a reader.
NEEDED = dict.fromkeys(("partial_update", "destroy", "process", "move"), Role.EDITOR)


class DocumentViewSet(LimitedBody, viewsets.ModelViewSet[Document]):
    """The documents of the projects that the user sees, the newest first; those of one in the order of its writers."""

    serializer_class = DocumentSerializer
    parser_classes = (JSONParser, MultiPartParser)
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[Document]:
        found = Document.objects.visible_to(self.request.user).select_related("analysis", "project")
        if self.action not in ("retrieve", "partial_update"):
            return found
        # One more tells whether there are more.
        chapters = Chapter.objects.filter(position__lte=SHOWN_CHAPTERS + 1)
        return found.prefetch_related(Prefetch("chapters", chapters, to_attr="first_chapters"))

    def get_object(self) -> Document:
        """Return the document if the user's role allows the action."""
        document: Document = super().get_object()
        needed = NEEDED.get(str(self.action), Role.READER)
        if self.action == "encoding" and self.request.method == "POST":
            needed = Role.EDITOR
        require(document.project, self.request.user, role=needed)
        return document

    @classmethod
    def body_limit_bytes(cls, *, action: str, content_type: str) -> int:
        if action != "create":
            return super().body_limit_bytes(action=action, content_type=content_type)
        if content_type.lower().startswith(MultiPartParser.media_type):
            return int(settings.DOCUMENT_MAX_UPLOAD_BYTES) + FORM_BYTES
        return JSON_FACTOR * int(settings.DOCUMENT_MAX_UPLOAD_BYTES) + FORM_BYTES

    def too_large(self, *, size_bytes: int, limit_bytes: int) -> RequestTooLargeError:
        if self.action != "create":
            return super().too_large(size_bytes=size_bytes, limit_bytes=limit_bytes)
        return RequestTooLargeError(
            str(TextTooLargeError(size_bytes=size_bytes, limit_bytes=int(settings.DOCUMENT_MAX_UPLOAD_BYTES)))
        )

    @classmethod
    def check_body(cls, user_id: Any, *, action: str, size_bytes: int, content_type: str) -> None:
        """Check that a user may send a body. The outermost layer calls it before the body is received.

        Raises:
          QuotaError: The user may not.
        """
        if action == "create" and (text_bytes := _least_text_bytes(size_bytes, content_type)):
            DocumentService.check_body(user_id, text_bytes=text_bytes)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        length = request.headers.get("content-length") or ""
        self.check_body(
            request.user.pk,
            action=self.action,
            size_bytes=int(length) if length.isdecimal() else 0,
            content_type=str(request.content_type),
        )

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Store a new document as a draft."""
        serializer = NewDocumentSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        require(serializer.validated_data["project"], request.user, role=Role.EDITOR)
        document = _store(**serializer.validated_data, sender_id=request.user.pk)
        return Response(self.get_serializer(document).data, status=status.HTTP_201_CREATED)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        query = DocumentQuerySerializer(data=request.query_params, context=self.get_serializer_context())
        query.is_valid(raise_exception=True)
        project = query.validated_data.get("project")
        documents: Any = self.get_queryset()
        page = self.paginate_queryset(documents.filter(project=project).in_order() if project else documents) or []
        if _settle(page):
            found = self.get_queryset().in_bulk([document.pk for document in page])
            page = [found[document.pk] for document in page if document.pk in found]
        return self.get_paginated_response(DocumentLineSerializer(page, many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        document = self.get_object()
        if _settle([document]):
            document = self.get_object()
        return Response(self.get_serializer(document).data, headers=self._more_chapters(document))

    def _more_chapters(self, document: Any) -> dict[str, str]:
        """Return the header with the address of the chapters that do not come with the document, if there are any."""
        if len(document.first_chapters) <= SHOWN_CHAPTERS:
            return {}
        url = reverse("document-chapters", args=[document.pk], request=self.request)
        return {"Link": f'<{url}?page=2&page_size={SHOWN_CHAPTERS}>; rel="next"'}

    @action(detail=True, methods=["post"])
    @transaction.atomic
    def process(self, request: Request, pk: str) -> Response:
        """Start the task that analyses the document, or find the unfinished one."""
        try:
            task_id = DocumentService.start_processing(self.get_object(), owner_id=request.user.pk)
        except Document.DoesNotExist:
            raise NotFound from None
        return task_started(request, task_id, what="Document processing")

    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        """Move the document before another one of its project, or to the end."""
        document = self.get_object()
        serializer = MoveSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            DocumentService.move(document, before=serializer.validated_data["before"])
        except OrderChangedError as error:
            raise ValidationError({"before": [str(error)]}) from None
        except Document.DoesNotExist:
            raise NotFound from None
        return Response(DocumentLineSerializer(document).data)

    @action(detail=True, methods=["get", "post"])
    def encoding(self, request: Request, pk: str) -> Response:
        """Return the readings of a file whose encoding cannot be told. A POST chooses one, and starts processing."""
        document = self.get_object()
        if request.method != "POST":
            readings, encoding = DocumentService.readings_of(document)
            return Response({"encoding": encoding, "readings": readings})
        serializer = EncodingSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        encoding = serializer.validated_data["encoding"]
        try:
            task_id = DocumentService.choose_encoding(document, encoding=encoding, owner_id=request.user.pk)
        except UnknownEncodingError as error:
            raise ValidationError({"encoding": [str(error)]}) from None
        except Document.DoesNotExist:
            raise NotFound from None
        return task_started(request, task_id, what="Document processing")

    @action(detail=True, methods=["get"])
    def chapters(self, request: Request, pk: str) -> Response:
        """Return a page of the document's chapters, in the order of the text."""
        chapters: Any = self.get_object().chapters.order_by("position")
        page = self.paginate_queryset(chapters)
        return self.get_paginated_response(ChapterSerializer(page, many=True).data)

    @action(detail=True, methods=["get"])
    def file(self, request: Request, pk: str) -> HttpResponseBase:
        """Send the manuscript: the file as it was uploaded, or the pasted text as a text file."""
        original = DocumentService.original(self.get_object())
        if original is None:
            raise NotFound
        return download(request._request, original.file, filename=original.filename, size_bytes=original.size_bytes)


def _least_text_bytes(size_bytes: int, content_type: str) -> int:
    """Return the least size of the manuscript in a body. A small body has 0."""
    size_bytes = max(0, size_bytes - FORM_BYTES)
    return size_bytes if content_type.startswith(MultiPartParser.media_type) else size_bytes // JSON_FACTOR


def _store(
    *,
    project: Project,
    title: str,
    file: "UploadedFile[Any] | None" = None,
    text: str | None = None,
    sender_id: int | None,
) -> Document:
    """Store a validated document. An unreadable text is the client's error, and a busy reader a reason to retry."""
    try:
        if file is None:
            return DocumentService.create(project=project, title=title, text=text, sender_id=sender_id)
        name = file.name or ""
        return DocumentService.create(project=project, title=title, data=file, filename=name, sender_id=sender_id)
    except TextTooLargeError as error:
        raise RequestTooLargeError(str(error)) from None
    except ReadersBusyError as error:
        raise UnavailableError(str(error)) from None
    except UnreadableTextError as error:
        raise ValidationError({"text" if file is None else "file": [str(error)]}) from None


def _settle(documents: Collection[Document]) -> bool:
    """Settle the documents that say "processing" although no task is unfinished. Return whether there was one.

    The caller then reads them again: a status and its figures must be read together.
    """
    processing = {document.pk for document in documents if document.status == Document.Status.PROCESSING}
    return bool(processing - DocumentService.running_tasks(documents).keys())
