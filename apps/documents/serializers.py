"""Documents in the API. The text of a manuscript is never part of an answer."""

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from apps.documents.models import Analysis, Chapter, Document
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project

SCALAR_FIELDS = (
    "words", "unit", "sentences", "reading_minutes", "language", "reading_ease", "grade_level", "readability_note",
    "dialogue_share", "dialogue_note",
)  # fmt: skip
LIST_FIELDS = ("keywords_note", "keywords", "longest_sentences", "repeated_phrases")
#: Number of chapters that come with a document. Its `/chapters/` has them all, in pages.
SHOWN_CHAPTERS = 100
TITLE_LENGTH = Document._meta.get_field("title").max_length


class LanguageField(serializers.CharField):
    """An ISO 639-1 code. Null: unknown."""

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        return value or None


class FiguresSerializer(serializers.ModelSerializer[Any]):
    """Figures of a text. A figure is null if the text was processed before it existed, or if it would mean nothing.

    `unit` names what `words` counts: "word", or "character" in a language without spaces between words.
    The notes say why there is none: `readability_note`, `dialogue_note`, and `keywords_note` for keywords and phrases.
    """

    language = LanguageField(read_only=True)
    readability_note = serializers.CharField(read_only=True)
    dialogue_note = serializers.CharField(read_only=True)
    unit = serializers.CharField(read_only=True)
    keywords_note = serializers.CharField(read_only=True)


class ChapterSerializer(FiguresSerializer):
    class Meta:
        model = Chapter
        fields = ("position", "title", *SCALAR_FIELDS, *LIST_FIELDS)


class AnalysisSerializer(FiguresSerializer):
    """Numeric figures of the whole document."""

    class Meta:
        model = Analysis
        fields: tuple[str, ...] = SCALAR_FIELDS


class ChapteredAnalysisSerializer(AnalysisSerializer):
    """All figures of the whole document and of its first chapters."""

    chapters = serializers.SerializerMethodField()

    class Meta(AnalysisSerializer.Meta):
        fields = (*SCALAR_FIELDS, *LIST_FIELDS, "chapters")

    def get_chapters(self, analysis: Analysis) -> Any:
        chapters = analysis.document.first_chapters[:SHOWN_CHAPTERS]  # type: ignore[attr-defined]
        return ChapterSerializer(chapters, many=True).data


class DocumentLineSerializer(serializers.ModelSerializer[Document]):
    """A document in a list. Its analysis comes without lists and chapters."""

    analysis = AnalysisSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Document
        fields = ("id", "project", "title", "status", "error_message", "analysis", "created_at", "updated_at")
        read_only_fields = ("project", "status", "error_message")


class DocumentSerializer(DocumentLineSerializer):
    """A document with its figures. Only the title can be changed."""

    analysis = ChapteredAnalysisSerializer(read_only=True, allow_null=True)

    def update(self, instance: Document, validated_data: dict[str, Any]) -> Document:
        if "title" in validated_data and not DocumentService.rename(instance, title=validated_data["title"]):
            raise NotFound
        return instance


class ProjectField(serializers.PrimaryKeyRelatedField[Project]):
    """The id of a project that the user sees. Any other project is answered like one that does not exist."""

    default_error_messages = {"does_not_exist": "No such project: {pk_value}."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=Project.objects.all(), pk_field=serializers.IntegerField(), **kwargs)

    def get_queryset(self) -> QuerySet[Project]:
        return Project.objects.visible_to(self.context["request"].user)


class DocumentQuerySerializer(serializers.Serializer[Any]):
    """The query of a list of documents."""

    project = ProjectField(required=False)


class MoveSerializer(serializers.Serializer[Any]):
    """The id of the document before which another one is to stand. Null: it is to stand at the end."""

    before = serializers.IntegerField(allow_null=True)


class EncodingSerializer(serializers.Serializer[Any]):
    """The name of an encoding. The service knows which ones are offered."""

    encoding = serializers.CharField()


class TextField(serializers.CharField):
    """A text of any length, unchanged. The reader removes what cannot be stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, trim_whitespace=False, **kwargs)
        # Those of REST framework check each character in Python, which takes seconds for a long book.
        self.validators = []


class NewDocumentSerializer(serializers.Serializer[Any]):
    """A new document with a file or a text.

    After validation it has a title. The default is the file's name.
    """

    project = ProjectField()
    title = serializers.CharField(max_length=TITLE_LENGTH, required=False, allow_blank=True, default="")
    file = serializers.FileField(allow_empty_file=True, required=False)
    text = TextField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        file: UploadedFile | None = attrs.get("file")
        if (file is None) == (attrs.get("text") is None):
            raise serializers.ValidationError("Send either a file or a text: one of the two.")
        if not attrs["title"]:
            if file is None:
                raise serializers.ValidationError({"title": ["This field is required with a text."]})
            attrs["title"] = (file.name or "")[:TITLE_LENGTH]
        return attrs
