"""Contents of projects, made up for tests that only read them, and their figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pypdfium2

from apps.accounts.models import User
from apps.projects import contents
from apps.projects.contents import ChapterLine, Contents, DocumentLine, Found
from apps.projects.models import Project
from apps.projects.reports.figures import Figures, gather

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


CHAPTERS = tuple(chapter(number, reading_ease=40.0 + number % 7, words=100 * number) for number in range(1, 20))


def figures(*lines: DocumentLine, name: str = "Novels", chapters: Any = CHAPTERS) -> Figures:
    with holding(*lines, chapters=chapters):
        return gather(Project(pk=1, name=name, owner=User(username="jane")))


def full(number: int = 0, **values: Any) -> DocumentLine:
    """Return a document with all figures."""
    return line(
        **{
            "title": f"Volume {number}", "words": 5000 + number, "chapters": 19,
            "created_at": CREATED_AT + timedelta(weeks=number % 9), "reading_ease": 62.5, "grade_level": 7.25,
            "dialogue_share": 0.31, "language": "en", "keywords": (Found(text="Darcy", number=9),),
            "longest_sentences": (Found(text="It went on.", number=103),),
            "repeated_phrases": (Found(text="young man", number=12),), **values,
        }
    )  # fmt: skip


def pages(content: bytes) -> list[str]:
    """Return the text of each page of a PDF."""
    document = pypdfium2.PdfDocument(content)
    try:
        return [document[number].get_textpage().get_text_bounded() for number in range(len(document))]
    finally:
        document.close()
