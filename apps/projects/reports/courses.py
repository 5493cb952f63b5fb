"""Courses: the readability of the longest documents, chapter by chapter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from apps.projects.contents import ChaptersProvider, DocumentLine

#: Largest number of points in a course.
MAX_POINTS = 150

READING_EASE = "Reading ease"
SENTENCE_LENGTH = "Length of sentences"


@dataclass(frozen=True, kw_only=True)
class Course:
    """The course of a figure from chapter to chapter in one document.

    Parameters:
      unit: The noun of what is counted: "word" or "character".
      measure: `READING_EASE`, or `SENTENCE_LENGTH` for a text without it.
      whole: The figure of the whole document.
      chapters: Number of chapters that have the figure.
      values: One for each of these chapters; means of neighbours where there are more than `MAX_POINTS`.
      words: The lengths of the chapters, thinned likewise.
    """

    title: str
    unit: str
    measure: str
    whole: float
    chapters: int
    values: tuple[float, ...]
    words: tuple[float, ...]


def courses(longest: Sequence[DocumentLine], chapters_of: ChaptersProvider) -> Iterator[Course]:
    """Yield the courses of the documents that have at least two chapters to compare. Chapters are read as needed."""
    for line in longest:
        course = _course(line, chapters_of) if line.chapters >= 2 else None
        if course is not None:
            yield course


def _course(line: DocumentLine, chapters_of: ChaptersProvider) -> Course | None:
    chapters = [chapter for chapter in chapters_of(line.id) if chapter.words and chapter.sentences]
    values = [chapter.reading_ease for chapter in chapters if chapter.reading_ease is not None]
    measure, whole = READING_EASE, line.reading_ease
    if len(values) < 2 or whole is None:
        measure, whole = SENTENCE_LENGTH, (line.words or 0) / (line.sentences or 1)
        values = [chapter.words / chapter.sentences for chapter in chapters]
    if len(values) < 2:
        return None
    return Course(
        title=line.title,
        unit=line.unit,
        measure=measure,
        whole=whole,
        chapters=len(values),
        values=tuple(_thinned(values)),
        words=tuple(_thinned([chapter.words for chapter in chapters])),
    )


def _thinned(values: Sequence[float]) -> list[float]:
    """Return at most `MAX_POINTS` values: means of neighbours."""
    size = -(-len(values) // MAX_POINTS)
    return [fmean(values[start : start + size]) for start in range(0, len(values), size)]
