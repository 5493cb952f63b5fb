"""Store the figures of a text in the rows of its analysis and its chapters."""

from dataclasses import asdict
from itertools import islice
from typing import Any

from apps.documents.analysis.findings import Figures, Findings
from apps.documents.models import Analysis, Chapter, Document

#: Chapters that one statement writes.
BATCH_SIZE = 500
COUNTED_FIELDS = [
    "words", "sentences", "reading_minutes", "language", "reading_ease", "grade_level", "dialogue_share",
]  # fmt: skip
#: Fields that hold a list of texts, each with a number, as JSON.
LISTED_FIELDS = ["keywords", "longest_sentences", "repeated_phrases"]


def store(document: Document, found: Findings) -> None:
    """Write the figures over the stored ones, in the caller's transaction. Rows keep their ids; none is left over."""
    Analysis.objects.update_or_create(document=document, defaults=_columns(found))
    limit = Chapter._meta.get_field("title").max_length
    rows = (
        Chapter(document=document, position=position, title=chapter.title[:limit], **_columns(chapter))
        for position, chapter in enumerate(found.chapters, start=1)
    )
    # Not in one call, which would first build all the rows.
    while batch := list(islice(rows, BATCH_SIZE)):
        Chapter.objects.bulk_create(
            batch,
            update_conflicts=True,
            unique_fields=["document", "position"],
            update_fields=["title", *COUNTED_FIELDS, *LISTED_FIELDS, "updated_at"],
        )
    Chapter.objects.filter(document=document, position__gt=len(found.chapters)).delete()


def _columns(figures: Figures) -> dict[str, Any]:
    counted = {field: getattr(figures, field) for field in COUNTED_FIELDS}
    listed = {field: getattr(figures, field) for field in LISTED_FIELDS}
    return counted | {
        field: None if entries is None else [asdict(entry) for entry in entries] for field, entries in listed.items()
    }
