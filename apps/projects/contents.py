"""The contents of a project, as reports read them.

Projects know nothing of documents. The app that has documents registers providers here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Found:
    """Words of a text, with a number: of their occurrences, or of the words themselves."""

    text: str
    number: int


@dataclass(frozen=True, kw_only=True)
class DocumentLine:
    """One document in a report. Figures are None where it was not processed, or by a version that had no such figure.

    Parameters:
      created_at: Time at which it came into the project.
      status: In words, such as "Processed".
      error: Reason for which it could not be processed, in words for the writer.
      reading_ease: Flesch's, about 0 (hard) to 100 (easy).
      grade_level: Years at school.
      dialogue_share: 0 to 1.
      unit: The noun of what `words` counts: "word", or "character" in a language without spaces between words.
      notes: Reasons for figures that it does not have, in sentences for the writer.
      language: ISO 639-1; empty where it is unknown.
      keywords, repeated_phrases: Each with the number of its occurrences.
      longest_sentences: Each with the number of its words.
    """

    id: int
    title: str
    created_at: datetime
    status: str
    failed: bool = False
    error: str = ""
    unit: str = "word"
    notes: tuple[str, ...] = ()
    words: int | None = None
    sentences: int | None = None
    reading_minutes: float | None = None
    chapters: int = 0
    reading_ease: float | None = None
    grade_level: float | None = None
    dialogue_share: float | None = None
    language: str = ""
    keywords: tuple[Found, ...] = ()
    longest_sentences: tuple[Found, ...] = ()
    repeated_phrases: tuple[Found, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChapterLine:
    """One chapter in a report. `reading_ease` is None where it is unknown."""

    position: int
    title: str
    words: int
    sentences: int
    reading_ease: float | None = None


#: Return the documents of a project, in the order of its writers, or their number. Both take the project's id.
DocumentsProvider = Callable[[int], Iterable[DocumentLine]]
DocumentsCounter = Callable[[int], int]
#: Return the chapters of a document by the document's id, in the order of the text.
ChaptersProvider = Callable[[int], Iterable[ChapterLine]]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The providers from which reports read a project's contents."""

    documents: DocumentsProvider
    count: DocumentsCounter
    chapters: ChaptersProvider


NOTHING = Contents(documents=lambda project_id: (), count=lambda project_id: 0, chapters=lambda document_id: ())

_registered = NOTHING


def register(contents: Contents) -> None:
    """Register the providers of projects' contents, in place of earlier ones."""
    global _registered
    _registered = contents


def registered() -> Contents:
    """Return the registered providers; `NOTHING` without any."""
    return _registered
