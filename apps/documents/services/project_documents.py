"""What a project's report says of its documents."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from apps.documents.models import Chapter, Document
from apps.projects.contents import ChapterLine, Contents, DocumentLine, Found

#: So many rows are in memory at a time: each may bring its keywords and longest sentences.
CHUNK_SIZE = 200

#: What is known of a document, and by which name each finding has its number.
FIGURES = ("words", "sentences", "reading_minutes", "reading_ease", "grade_level", "dialogue_share", "language")
FINDINGS = {"keywords": "count", "longest_sentences": "words", "repeated_phrases": "count"}


def documents_of(project_id: int) -> Iterator[DocumentLine]:
    """The documents of a project, in the order in which they were made, with their figures where there are any."""
    # Not a join that is counted: the database would group by the keywords, too.
    chapters = Chapter.objects.filter(document=OuterRef("pk")).order_by().values("document")
    columns = [f"analysis__{name}" for name in (*FIGURES, *FINDINGS)]
    documents = (
        Document.objects.filter(project_id=project_id)
        .annotate(chapter_count=Coalesce(Subquery(chapters.annotate(number=Count("pk")).values("number")), 0))
        .order_by("created_at", "pk")
        .values("pk", "title", "created_at", "status", "error_message", "chapter_count", *columns)
    )
    for row in documents.iterator(chunk_size=CHUNK_SIZE):
        figures: dict[str, Any] = {name: row[f"analysis__{name}"] for name in FIGURES}
        figures["language"] = figures["language"] or ""
        for name, number in FINDINGS.items():
            figures[name] = _found(row[f"analysis__{name}"], number=number)
        yield DocumentLine(
            id=row["pk"],
            title=row["title"],
            created_at=row["created_at"],
            status=Document.Status(row["status"]).label,
            failed=row["status"] == Document.Status.FAILED,
            error=row["error_message"],
            chapters=row["chapter_count"],
            **figures,
        )


def count_of(project_id: int) -> int:
    """How many documents a project has."""
    return Document.objects.filter(project_id=project_id).count()


def chapters_of(document_id: int) -> Iterator[ChapterLine]:
    """The chapters of a document, in the order of the text."""
    chapters = Chapter.objects.filter(document_id=document_id).order_by("position")
    columns = chapters.values("position", "title", "words", "sentences", "reading_ease")
    for row in columns.iterator(chunk_size=CHUNK_SIZE):
        yield ChapterLine(**row)


def _found(entries: list[dict[str, Any]] | None, *, number: str) -> tuple[Found, ...]:
    return tuple(Found(text=entry["text"], number=entry[number]) for entry in entries or ())


#: What reports know of documents.
CONTENTS = Contents(documents=documents_of, count=count_of, chapters=chapters_of)
