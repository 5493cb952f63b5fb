"""The documents' list and pages in the admin."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.db.models.functions import Left, Length
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesCheckboxFilter
from unfold.decorators import display

from apps.accounts.quotas.errors import QuotaError
from apps.core.autocomplete import KeyedAutocomplete
from apps.core.initial_data import without_dates
from apps.documents.admin.add_form import DocumentAddForm
from apps.documents.admin.chapters import ChapterInline
from apps.documents.admin.wording import counted, documents, minutes, percent
from apps.documents.models import Document, Manuscript
from apps.documents.services.document_service import DocumentService
from apps.tasks.admin import elements
from apps.tasks.models import TaskStatus

#: Characters of a manuscript that its page shows.
EXCERPT_LENGTH = 3_000

STATUS_KINDS: dict[str, str] = {
    Document.Status.DRAFT: "default",
    Document.Status.PROCESSING: "info",
    Document.Status.PROCESSED: "success",
    Document.Status.FAILED: "danger",
    Document.Status.UNDECIDED: "warning",
}

#: Read-only fields of a document's page.
SHOWN_FIELDS = (
    "state_label", "error", "figures", "tasks", "readability", "language", "dialogue", "keywords", "repeated_phrases",
    "longest_sentences", "filename", "excerpt",
)  # fmt: skip


@admin.register(Document)
class DocumentAdmin(KeyedAutocomplete, ModelAdmin):  # type: ignore[misc]
    list_display = ("title", "project", "owner", "state", "words", "created")
    list_filter = (("status", ChoicesCheckboxFilter), ("project", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("project__owner",)
    list_per_page = 50
    search_fields = ("title", "project__name", "project__owner__username")
    search_help_text = "Title, project or owner"
    actions = ("process",)
    autocomplete_fields = ("project",)
    inlines = (ChapterInline,)
    add_fieldsets = ((None, {"fields": ("project", "title", "text", "expires_at")}),)
    fieldsets = (
        (None, {"fields": ("title", "project", "expires_at")}),
        ("Processing", {"fields": ("state_label", "error", "figures", "tasks")}),
        (
            "How it reads",
            {"fields": ("readability", "language", "dialogue", "keywords", "repeated_phrases", "longest_sentences")},
        ),
        ("Manuscript", {"fields": ("filename", "excerpt")}),
    )

    @staticmethod
    def body_limit_bytes(*, action: str, content_type: str) -> int:
        """Return the size that the form of a pasted text may have."""
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        queryset: QuerySet[Document] = super().get_queryset(request)
        return queryset.annotate(word_count=F("analysis__words"))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Document | None:
        document: Document | None = super().get_object(request, object_id, from_field)
        return document if document is None else DocumentService.settle(document)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = DocumentAddForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return without_dates(self.model, super().get_changeform_initial_data(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return SHOWN_FIELDS if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None and obj.chapters.exists() else ()

    def save_model(self, request: HttpRequest, obj: Document, form: Any, change: bool) -> None:
        """Write the edited columns only: a worker may be writing the status."""
        if change:
            obj.save(update_fields=[*form.changed_data, "updated_at"])

    @admin.action(description="Process selected documents", permissions=["change"])
    def process(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        keys = list(queryset.order_by("pk").values_list("pk", flat=True))
        label = Document._meta.label
        running = set(
            TaskStatus.objects.unfinished()
            .filter(related_object_type=label, related_object_id__in=keys)
            .values_list("task_id", flat=True)
        )
        started = already = 0
        for document in Document.objects.filter(pk__in=keys).order_by("pk"):
            try:
                task_id = DocumentService.start_processing(document, owner_id=request.user.pk)
            except Document.DoesNotExist:
                continue  # Deleted a moment ago.
            except QuotaError as error:
                messages.error(request, str(error))
                break
            already += task_id in running
            started += task_id not in running
        if started:
            messages.success(request, f"Processing started for {documents(started)}.")
        if already:
            messages.info(request, f"{documents(already)} {'was' if already == 1 else 'were'} being processed already.")

    # --- Columns and fields --------------------------------------------------------------------------

    @admin.display(description="owner", ordering="project__owner__username")
    def owner(self, document: Document) -> str:
        return str(document.project.owner)

    @display(description="status", ordering="status", label=STATUS_KINDS)  # type: ignore[untyped-decorator]
    def state(self, document: Document) -> tuple[str, str]:
        return document.status, document.get_status_display()

    @admin.display(description="words", ordering="word_count")
    def words(self, document: Any) -> str:
        return elements.NOTHING if document.word_count is None else f"{document.word_count:,}"

    @admin.display(description="created", ordering="created_at")
    def created(self, document: Document) -> str:
        return elements.timestamp(document.created_at, short=True)

    @admin.display(description="status")
    def state_label(self, document: Document) -> SafeString:
        return elements.label(document.get_status_display(), kind=STATUS_KINDS[document.status])

    @admin.display(description="error")
    def error(self, document: Document) -> str:
        return document.error_message or elements.NOTHING

    @admin.display(description="figures")
    def figures(self, document: Document) -> str:
        analysis = getattr(document, "analysis", None)
        if analysis is None:
            return elements.NOTHING
        counts = f"{analysis.words:,} {analysis.unit}s, {analysis.sentences:,} sentences"
        return f"{counts}, {minutes(analysis.reading_minutes)} to read"

    @admin.display(description="readability")
    def readability(self, document: Document) -> str:
        analysis = getattr(document, "analysis", None)
        if analysis is None:
            return elements.NOTHING
        figures = [] if analysis.reading_ease is None else [f"Reading ease {analysis.reading_ease:.1f}"]
        if analysis.grade_level is not None:
            figures.append(f"grade level {analysis.grade_level:.1f}")
        measures = f"{', '.join(figures)}. " if figures else ""
        return measures + str(analysis.readability_note)

    @admin.display(description="language")
    def language(self, document: Document) -> str:
        return figure(document, "language") or elements.NOTHING

    @admin.display(description="dialogue")
    def dialogue(self, document: Document) -> str:
        return figure(document, "dialogue_note") or percent(figure(document, "dialogue_share"))

    @admin.display(description="keywords")
    def keywords(self, document: Document) -> str:
        return figure(document, "keywords_note") or counted(figure(document, "keywords") or [])

    @admin.display(description="repeated phrases")
    def repeated_phrases(self, document: Document) -> str:
        return counted(figure(document, "repeated_phrases") or [])

    @admin.display(description="longest sentences")
    def longest_sentences(self, document: Document) -> SafeString | str:
        found = figure(document, "longest_sentences") or []
        unit = figure(document, "unit")
        lines = ((f"{entry['words']:,} {unit}s", entry["text"]) for entry in found)
        return format_html_join("", '<p class="mb-2">{}: {}</p>', lines) or elements.NOTHING

    @admin.display(description="tasks")
    def tasks(self, document: Document) -> SafeString:
        query = {"related_object_type": document._meta.label, "related_object_id": document.pk}
        url = reverse("admin:tasks_taskstatus_changelist", query=query)
        return format_html('<a href="{}" class="text-link">Tasks that work on it</a>', url)

    @admin.display(description="file")
    def filename(self, document: Document) -> str:
        return Manuscript.objects.filter(document=document).values_list("filename", flat=True).first() or "pasted"

    @admin.display(description="text")
    def excerpt(self, document: Document) -> str:
        found = (
            Manuscript.objects.filter(document=document)
            .values_list(Left("text", EXCERPT_LENGTH), Length("text"))
            .first()
        )
        # The text of a file is in the file only.
        if found is None or not found[1]:
            return elements.NOTHING
        start, length = found
        return elements.block(start if length <= EXCERPT_LENGTH else f"{start}…\n\n({length:,} characters)")


def figure(document: Document, name: str) -> Any:
    """Return a figure of the whole document. None: it has none, or was not processed."""
    return getattr(getattr(document, "analysis", None), name, None)
