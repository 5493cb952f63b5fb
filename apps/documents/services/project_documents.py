"""Provide the documents of a project for its report."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from apps.documents.models import Analysis, Chapter, Document
from apps.projects.contents import ChapterLine, Contents, DocumentLine, Found

#: Rows in memory at a time. Each may bring its keywords and longest sentences.
BATCH_SIZE = 200

#: Numeric columns of an analysis, and its list columns with the name of the number in each entry.
FIGURES = ("words", "sentences", "reading_minutes", "reading_ease", "grade_level", "dialogue_share", "language")
FINDINGS = {"keywords": "count", "longest_sentences": "words", "repeated_phrases": "count"}


def documents_of(project_id: int) -> Iterator[DocumentLine]:
    """Yield the documents of a project in the order of its writers, with the figures that they have."""
    # A subquery, since the database would group a counted join by the keywords, too.
    chapters = Chapter.objects.filter(document=OuterRef("pk")).order_by().values("document")
    columns = [f"analysis__{name}" for name in (*FIGURES, *FINDINGS)]
    documents = (
        Document.objects.filter(project_id=project_id)
        .annotate(chapter_count=Coalesce(Subquery(chapters.annotate(number=Count("pk")).values("number")), 0))
        .in_order()
        .values("pk", "title", "created_at", "status", "error_message", "chapter_count", *columns)
    )
    for row in documents.iterator(chunk_size=BATCH_SIZE):
        figures: dict[str, Any] = {name: row[f"analysis__{name}"] for name in FIGURES}
        figures["language"] = figures["language"] or ""
        if row["analysis__words"] is not None:
            analysis = Analysis(**figures, keywords=row["analysis__keywords"])
            figures |= {"unit": analysis.unit, "notes": tuple(analysis.notes)}
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
    """Return the number of documents of a project."""
    return Document.objects.filter(project_id=project_id).count()


def chapters_of(document_id: int) -> Iterator[ChapterLine]:
    """Yield the chapters of a document, in the order of the text."""
    chapters = Chapter.objects.filter(document_id=document_id).order_by("position")
    columns = chapters.values("position", "title", "words", "sentences", "reading_ease")
    for row in columns.iterator(chunk_size=BATCH_SIZE):
        yield ChapterLine(**row)


def _found(entries: list[dict[str, Any]] | None, *, number: str) -> tuple[Found, ...]:
    return tuple(Found(text=entry["text"], number=entry[number]) for entry in entries or ())


#: Registered with the reports, which do not import documents.
CONTENTS = Contents(documents=documents_of, count=count_of, chapters=chapters_of)
