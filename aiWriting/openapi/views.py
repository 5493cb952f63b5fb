"""Requests and answers of the views, as far as their classes do not tell them."""

from functools import wraps
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension, OpenApiViewExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers

from apps.accounts.tokens.views import NewTokenSerializer
from apps.documents.serializers import (
    TITLE_LENGTH,
    ChapterSerializer,
    DocumentLineSerializer,
    DocumentQuerySerializer,
    DocumentSerializer,
    EncodingSerializer,
    MoveSerializer,
    NewDocumentSerializer,
)
from apps.projects.views import ProjectViewSet
from apps.tasks.api.serializers import StaffTaskSerializer, TaskQuerySerializer

TASK_ID = "7f0f5f0a-6f0e-4f57-9f6a-1c1f3c7f5b52"
BINARY = "application/octet-stream"


class StartedSerializer(serializers.Serializer[Any]):
    """A task that was started, or is unfinished already."""

    status = serializers.CharField(help_text="A sentence such as `Document processing started`.")
    task_id = serializers.CharField(help_text="Id of the task.")
    task_url = serializers.URLField(help_text="Address of the task in this API.")


class TokenSerializer(serializers.Serializer[Any]):
    """A new API token. Nothing shows its secret again."""

    token = serializers.CharField(help_text="The secret, for the header `Authorization: Token ...`.")
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=["read", "write"])
    expires_at = serializers.DateTimeField(help_text="Time from which the token is refused.")


class ReportLinksSerializer(serializers.Serializer[Any]):
    """The newest report of a project. All are null if there is none."""

    created_at = serializers.DateTimeField(allow_null=True)
    html_url = serializers.URLField(allow_null=True, help_text="Address of the report as a page.")
    pdf_url = serializers.URLField(allow_null=True, help_text="Address of the report as a PDF.")


class ReadingsSerializer(serializers.Serializer[Any]):
    """The readings of a file whose encoding cannot be told."""

    encoding = serializers.CharField(allow_null=True, allow_blank=True, help_text="Encoding that was chosen.")
    readings = serializers.JSONField(help_text="Readings of the file, by encoding.")


class NewTextSerializer(serializers.Serializer[Any]):
    """A new document with a text."""

    project = serializers.IntegerField(help_text="Id of a project in which the user may write.")
    title = serializers.CharField(max_length=TITLE_LENGTH)
    text = serializers.CharField(allow_blank=True)


STARTED = {
    202: OpenApiResponse(
        StartedSerializer,
        description="The task is started, or an unfinished one was found.",
        examples=[
            OpenApiExample(
                "started",
                {
                    "status": "Document processing started",
                    "task_id": TASK_ID,
                    "task_url": f"https://writing.example.org/api/tasks/{TASK_ID}/",
                },
            )
        ],
    )
}


def _derived(extension: OpenApiViewExtension, name: str, methods: dict[str, Any]) -> Any:
    """Return a class derived from the view, so that the view itself stays as it is."""
    target: Any = extension.target_class  # The class, once it is found by its path.
    return type(name, (target,), methods)


class TaskExtension(OpenApiSerializerExtension):
    """A task: the fields for staff are left out of the answers to all others."""

    target_class = "apps.tasks.api.serializers.StaffTaskSerializer"

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return "Task"

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        schema["required"] = [name for name in schema["required"] if name not in ("owner", "traceback")]
        why = "Why it waits, in a sentence. Null unless it is pending. Only where one task is asked for."
        schema["properties"]["why"] = {"type": "string", "nullable": True, "readOnly": True, "description": why}
        cut = (
            "Whether the result (null then), the error or the traceback has more than 1,000 characters. The task's own "
            "address has all of them. Only in a list."
        )
        schema["properties"]["is_cut"] = {"type": "boolean", "readOnly": True, "description": cut}
        schema["description"] = "A task. `owner` and `traceback` are for staff who may see all tasks."
        return schema


class LanguageExtension(OpenApiSerializerFieldExtension):
    target_class = "apps.documents.serializers.LanguageField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "nullable": True, "description": "ISO 639-1 code. Null: unknown."}


class AnalysisExtension(OpenApiSerializerExtension):
    target_class = "apps.documents.serializers.ChapteredAnalysisSerializer"

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        chapter = auto_schema.resolve_serializer(ChapterSerializer, "response").ref
        schema["properties"]["chapters"] = {"type": "array", "items": chapter, "readOnly": True}
        return schema


class ProjectViews(OpenApiViewExtension):
    target_class = "apps.projects.views.ProjectViewSet"

    def view_replacement(self) -> Any:
        start_report: Any = ProjectViewSet.start_report

        @extend_schema(request=None, responses=STARTED)
        @wraps(start_report)
        def started(*args: Any, **kwargs: Any) -> Any:
            return start_report(*args, **kwargs)

        return extend_schema_view(
            report=extend_schema(responses=ReportLinksSerializer),
        )(_derived(self, "Projects", {"start_report": started}))


class DocumentViews(OpenApiViewExtension):
    target_class = "apps.documents.views.DocumentViewSet"

    def view_replacement(self) -> Any:
        return extend_schema_view(
            list=extend_schema(
                parameters=[DocumentQuerySerializer],
                responses=DocumentLineSerializer(many=True),
                description="The documents of the projects that the user sees, the newest first; those of one project "
                "in the order of its writers. Figures come without lists and chapters.",
            ),
            create=extend_schema(
                request={"application/json": NewTextSerializer, "multipart/form-data": NewDocumentSerializer},
                responses={201: DocumentSerializer},
                examples=[
                    OpenApiExample(
                        "a text",
                        {"project": 1, "title": "Emma", "text": "Emma Woodhouse, handsome, clever, and rich"},
                        request_only=True,
                        media_type="application/json",
                    )
                ],
            ),
            retrieve=extend_schema(
                parameters=[
                    OpenApiParameter(
                        "Link",
                        OpenApiTypes.STR,
                        OpenApiParameter.HEADER,
                        response=[200],
                        description='Address of the chapters that do not come with the document, as `rel="next"`.',
                    )
                ]
            ),
            process=extend_schema(request=None, responses=STARTED),
            move=extend_schema(
                request=MoveSerializer,
                responses=DocumentLineSerializer,
                examples=[OpenApiExample("to the end", {"before": None}, request_only=True)],
            ),
            encoding=[
                extend_schema(methods=["GET"], responses=ReadingsSerializer),
                extend_schema(methods=["POST"], request=EncodingSerializer, responses=STARTED),
            ],
            chapters=extend_schema(responses=ChapterSerializer(many=True)),
            file=extend_schema(responses={(200, BINARY): OpenApiTypes.BINARY}),
        )(_derived(self, "Documents", {}))


class TaskViews(OpenApiViewExtension):
    target_class = "apps.tasks.api.views.TaskViewSet"
    match_subclasses = True

    def view_replacement(self) -> Any:
        return extend_schema_view(
            list=extend_schema(parameters=[TaskQuerySerializer], responses=StaffTaskSerializer(many=True)),
            retrieve=extend_schema(responses=StaffTaskSerializer),
            events=extend_schema(
                responses={
                    (200, "text/event-stream"): OpenApiResponse(
                        OpenApiTypes.STR, description="Events named `task`, each with the task as JSON, until it ends."
                    ),
                    204: OpenApiResponse(description="The stream ended before, and so did the task."),
                }
            ),
            cancel=extend_schema(
                request=None,
                responses={
                    200: OpenApiResponse(StaffTaskSerializer, description="The task is cancelled."),
                    202: OpenApiResponse(StaffTaskSerializer, description="It runs, and its worker is asked."),
                },
            ),
        )(_derived(self, "Tasks", {}))


class TokenViews(OpenApiViewExtension):
    target_class = "apps.accounts.tokens.views.TokenView"

    def view_replacement(self) -> Any:
        return extend_schema_view(
            post=extend_schema(
                request=NewTokenSerializer,
                responses={200: TokenSerializer},
                examples=[
                    OpenApiExample(
                        "name and password",
                        {"username": "jane", "password": "sense-and-sensibility", "scope": "read", "days": 30},
                        request_only=True,
                    )
                ],
            )
        )(_derived(self, "Token", {}))
