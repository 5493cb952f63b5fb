"""What a project holds, as reports hear of it.

Projects know nothing of documents: whoever has some registers here how to ask for them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Found:
    """Some words of a text, with a number: how often they are there, or how many words they are."""

    text: str
    number: int


@dataclass(frozen=True, kw_only=True)
class DocumentLine:
    """What a report says of one document. Figures are None where it was not processed, or not by this version.

    Parameters:
      created_at: When it came into the project.
      status: In words, such as "Processed".
      error: Why it could not be processed, in words for the writer.
      reading_ease: Flesch's, about 0 (hard) to 100 (easy).
      grade_level: Years at school.
      dialogue_share: 0 to 1.
      language: ISO 639-1; empty where nobody knows.
      keywords, repeated_phrases: With how often each is there.
      longest_sentences: With how many words each has.
    """

    id: int
    title: str
    created_at: datetime
    status: str
    failed: bool = False
    error: str = ""
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
    """What a report says of one chapter. `reading_ease` is None where nobody knows it."""

    position: int
    title: str
    words: int
    sentences: int
    reading_ease: float | None = None


#: The documents of a project by the project's id, in the order in which they came; and how many they are.
DocumentsProvider = Callable[[int], Iterable[DocumentLine]]
DocumentsCounter = Callable[[int], int]
#: The chapters of a document by the document's id, in the order of the text.
ChaptersProvider = Callable[[int], Iterable[ChapterLine]]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Where reports learn what a project holds."""

    documents: DocumentsProvider
    count: DocumentsCounter
    chapters: ChaptersProvider


NOTHING = Contents(documents=lambda project_id: (), count=lambda project_id: 0, chapters=lambda document_id: ())

_registered = NOTHING


def register(contents: Contents) -> None:
    """Say where reports learn what a project holds. The last one that is registered counts."""
    global _registered
    _registered = contents


def registered() -> Contents:
    return _registered
