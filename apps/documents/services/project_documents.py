"""What a project's report says of its documents."""

from collections.abc import Iterator

from django.db.models import Count

from apps.documents.models import Document
from apps.projects.services.report_service import DocumentLine


def documents_of(project_id: int) -> Iterator[DocumentLine]:
    """The documents of a project, in the order in which they were made, with their figures where there are any."""
    documents = (
        Document.objects.filter(project_id=project_id)
        .annotate(chapter_count=Count("chapters"))
        .order_by("created_at", "pk")
        .values_list("title", "status", "analysis__words", "analysis__reading_minutes", "chapter_count")
    )
    for title, status, words, reading_minutes, chapters in documents.iterator(chunk_size=500):
        yield DocumentLine(
            title=title,
            status=Document.Status(status).label,
            words=words,
            reading_minutes=reading_minutes,
            chapters=chapters,
        )
