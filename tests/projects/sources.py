"""Contents of projects, made up for tests that only read them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from apps.projects import contents
from apps.projects.contents import ChapterLine, Contents, DocumentLine

CREATED_AT = datetime(2026, 3, 4, 12, tzinfo=UTC)


def line(title: str = "Emma", **values: Any) -> DocumentLine:
    """Return a processed document with these values and defaults."""
    defaults: dict[str, Any] = {
        "id": 1, "title": title, "created_at": CREATED_AT, "status": "Processed",
        "words": 1000, "sentences": 50, "reading_minutes": 4.3, "chapters": 1,
    }  # fmt: skip
    return DocumentLine(**{**defaults, **values})


def draft(title: str = "Sanditon", **values: Any) -> DocumentLine:
    """Return a document without figures."""
    nothing = {"words": None, "sentences": None, "reading_minutes": None, "chapters": 0}
    return line(title, **{"status": "Draft", **nothing, **values})


def chapter(position: int, **values: Any) -> ChapterLine:
    return ChapterLine(**{"position": position, "title": "", "words": 100, "sentences": 10, **values})


@contextmanager
def holding(*lines: DocumentLine, chapters: tuple[ChapterLine, ...] = ()) -> Iterator[None]:
    """Give every project these documents, and every document these chapters."""
    before = contents.registered()
    contents.register(
        Contents(documents=lambda _: iter(lines), count=lambda _: len(lines), chapters=lambda _: iter(chapters))
    )
    try:
        yield
    finally:
        contents.register(before)
