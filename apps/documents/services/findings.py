"""What is found in a text: the figures of the whole and of each chapter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.conf import settings

from apps.documents.analysis import chapters, gutenberg, newlines, reading_time, sentences, words
from apps.documents.analysis.chapters import Chapter
from apps.tasks import progress

#: The part of the task in which the chapters are counted, in percent.
CHAPTERS_START, CHAPTERS_END = 5, 95


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is counted in a text.

    Parameters:
      words, sentences: How many.
      reading_minutes: At `READING_WORDS_PER_MINUTE`, to the hundredth.
    """

    words: int
    sentences: int
    reading_minutes: float


@dataclass(frozen=True, kw_only=True)
class ChapterFigures(Figures):
    """A chapter's title and figures."""

    title: str


@dataclass(frozen=True, kw_only=True)
class Findings(Figures):
    """The figures of a whole document, front matter included, and those of its chapters in order."""

    chapters: Sequence[ChapterFigures]


def analyse(text: str) -> Findings:
    """Count what there is to count in a text, without what Project Gutenberg puts around a book.

    Reports progress by chapter. A heading's words belong to its chapter, but it is no sentence; front matter belongs
    to the whole and to no chapter.
    """
    text = newlines.normalised(text)
    text = gutenberg.without_licence(text)
    found = chapters.find(text)
    front = _figures(text, start=0, body_start=0, end=found[0].start)
    counted = list(_counted(text, found))
    whole_words = front.words + sum(chapter.words for chapter in counted)
    return Findings(
        words=whole_words,
        sentences=front.sentences + sum(chapter.sentences for chapter in counted),
        reading_minutes=_reading_minutes(whole_words),
        chapters=counted,
    )


def _counted(text: str, found: Sequence[Chapter]) -> Iterator[ChapterFigures]:
    for number, chapter in enumerate(found, start=1):
        figures = _figures(text, start=chapter.start, body_start=chapter.body_start, end=chapter.end)
        yield ChapterFigures(
            title=chapter.title,
            words=figures.words,
            sentences=figures.sentences,
            reading_minutes=figures.reading_minutes,
        )
        percent = CHAPTERS_START + (CHAPTERS_END - CHAPTERS_START) * number / len(found)
        progress.set(percent, f"Chapter {number:,} of {len(found):,}")


def _figures(text: str, *, start: int, body_start: int, end: int) -> Figures:
    """Words from `start`, sentences from `body_start`."""
    count = words.count(text, start, end)
    return Figures(
        words=count, sentences=sentences.count(text, body_start, end), reading_minutes=_reading_minutes(count)
    )


def _reading_minutes(word_count: int) -> float:
    return reading_time.minutes(word_count, words_per_minute=settings.READING_WORDS_PER_MINUTE)
