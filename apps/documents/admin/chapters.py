"""The chapters on a document's page."""

from django.contrib import admin

from apps.documents.admin.wording import minutes, percent, tenth
from apps.documents.models import Chapter
from apps.tasks.admin import elements
from apps.tasks.admin.read_only import ReadOnlyInline


class ChapterInline(ReadOnlyInline):
    """The chapters of a document, with their figures."""

    model = Chapter
    fields = readonly_fields = (
        "position", "title", "words", "sentences", "reading_time", "ease", "grade", "dialogue", "telling",
    )  # fmt: skip
    permission = "documents.view_document"
    per_page = 50

    @admin.display(description="reading time")
    def reading_time(self, chapter: Chapter) -> str:
        return minutes(chapter.reading_minutes)

    @admin.display(description="reading ease")
    def ease(self, chapter: Chapter) -> str:
        return tenth(chapter.reading_ease)

    @admin.display(description="grade level")
    def grade(self, chapter: Chapter) -> str:
        return tenth(chapter.grade_level)

    @admin.display(description="dialogue")
    def dialogue(self, chapter: Chapter) -> str:
        return percent(chapter.dialogue_share)

    @admin.display(description="keywords")
    def telling(self, chapter: Chapter) -> str:
        return ", ".join(entry["text"] for entry in chapter.keywords or ()) or elements.NOTHING
