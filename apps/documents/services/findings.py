"""What is found in a text: the figures of the whole and of each chapter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.conf import settings

from apps.documents.analysis import (
    chapters,
    dialogue,
    gutenberg,
    keywords,
    language,
    newlines,
    phrases,
    readability,
    reading_time,
    runs,
    sentences,
    words,
)
from apps.documents.analysis.chapters import Chapter
from apps.documents.analysis.longest_sentences import Longest, Sentence
from apps.documents.analysis.phrases import Phrases, Threes
from apps.documents.analysis.readability import Measure
from apps.documents.analysis.tally import Tally
from apps.documents.analysis.term import Term
from apps.tasks import progress

#: The part of the task in which the chapters are analysed, in percent. From `PHRASES_START` on they are gone through
#: once more, for the phrases that come again.
CHAPTERS_START, PHRASES_START, CHAPTERS_END = 40, 80, 95

#: How much is kept of the whole text, and of each chapter.
KEYWORDS, CHAPTER_KEYWORDS = 12, 8
LONGEST_SENTENCES, CHAPTER_LONGEST_SENTENCES = 5, 3
REPEATED_PHRASES, CHAPTER_REPEATED_PHRASES = 12, 5

#: A chapter with fewer characters is in the language of the whole.
MIN_CHARACTERS_TO_TELL_LANGUAGE = 1_000
#: From the middle of a chapter so many characters tell its language.
CHAPTER_SAMPLE = 1_000
#: So many different words are counted, 40 MB of them; no book has as many. In a text that does, names that come late
#: are no keywords.
MAX_DIFFERENT_WORDS = 250_000
#: So many different phrases are counted.
MAX_PHRASES = 200_000
#: The keywords of a chapter are chosen among so many of its words.
CHAPTER_CANDIDATES = 40


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is counted and found in a text.

    Parameters:
      words, sentences: How many.
      reading_minutes: At `READING_WORDS_PER_MINUTE`, to the hundredth.
      language: ISO 639-1. Empty: it cannot be told.
      reading_ease, grade_level: See `readability`. None where they would mean nothing.
      dialogue_share: The share of words that are spoken, 0 to 1. None without a word.
      keywords, repeated_phrases, longest_sentences: The most telling ones; in order.
    """

    words: int
    sentences: int
    reading_minutes: float
    language: str
    reading_ease: float | None
    grade_level: float | None
    dialogue_share: float | None
    keywords: Sequence[Term]
    longest_sentences: Sequence[Sentence]
    repeated_phrases: Sequence[Term]


@dataclass(frozen=True, kw_only=True)
class ChapterFigures(Figures):
    """A chapter's title and figures."""

    title: str


@dataclass(frozen=True, kw_only=True)
class Findings(Figures):
    """The figures of a whole document, front matter included, and those of its chapters in order."""

    chapters: Sequence[ChapterFigures]


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What the first pass found in a chapter, or before the first.

    Parameters:
      words: With those of the heading. All else is about the text below it.
      terms: Candidates for keywords, the most frequent first.
    """

    words: int
    body_words: int
    spoken_words: int
    sentences: int
    language: str
    measure: Measure
    longest: Sequence[Sentence]
    terms: Sequence[Term]


def analyse(text: str) -> Findings:
    """Count and find what there is in a text, without what Project Gutenberg puts around a book.

    Reports progress by chapter. A heading's words belong to its chapter, but it is no sentence; front matter belongs
    to the whole and to no chapter.
    """
    text = newlines.normalised(text)
    text = gutenberg.without_licence(text)
    return _Analysis(text).findings()


class _Analysis:
    """Two passes over the text: all but the phrases, which the first prepares, and then those."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.chapters = chapters.find(text)
        self.language = language.detect(text)
        self.style = dialogue.style(text, language=self.language)
        self.different_words: Tally[str] = Tally(limit=MAX_DIFFERENT_WORDS)
        self.parts_with: Tally[str] = Tally(limit=MAX_DIFFERENT_WORDS)
        self.threes = Threes()
        self.lowered = phrases.Lowered()

    def findings(self) -> Findings:
        front = self._part(Chapter(start=0, body_start=0, end=self.chapters[0].start, title=""))
        parts: list[_Part] = []
        for number, chapter in enumerate(self.chapters, start=1):
            parts.append(self._part(chapter, number=number))
        everything = [front, *parts]
        longest = Longest(LONGEST_SENTENCES)
        for part in everything:
            longest.add(part.longest)
        whole_terms = keywords.terms(self.different_words.exact(), language=self.language)
        repeated, repeated_in_chapters = self._phrases(parts)
        return Findings(
            **_sums(everything, language=self.language),
            keywords=keywords.most_frequent(whole_terms, number=KEYWORDS),
            longest_sentences=longest.found(),
            repeated_phrases=repeated,
            chapters=[
                ChapterFigures(
                    title=chapter.title,
                    **_sums([part], language=part.language),
                    keywords=keywords.most_telling(
                        part.terms,
                        parts_with=self.parts_with.at_least(),
                        parts=len(parts),
                        number=CHAPTER_KEYWORDS,
                    ),
                    longest_sentences=part.longest,
                    repeated_phrases=phrases_in_it,
                )
                for chapter, part, phrases_in_it in zip(self.chapters, parts, repeated_in_chapters, strict=True)
            ],
        )

    def _part(self, chapter: Chapter, *, number: int = 0) -> _Part:
        """The first pass over a chapter; number 0 is the front matter."""
        text, start, end = self.text, chapter.body_start, chapter.end
        told = self._language(start, end)
        longest = Longest(CHAPTER_LONGEST_SENTENCES)
        counts: Tally[str] = Tally(limit=MAX_DIFFERENT_WORDS)
        for page in runs.find(longest.hear(self._sentences(chapter, told, number=number))):
            counts.add(chain.from_iterable(page))
            self.threes.add(page, lowered=self.lowered)
        self.different_words.merge(counts.at_least())
        terms = keywords.terms(counts.exact(), language=told)
        if number:
            self.parts_with.merge(keywords.keys(terms))
        heading_words = words.count(text, chapter.start, start)
        body_words = words.count(text, start, end)
        return _Part(
            words=heading_words + body_words,
            body_words=body_words,
            spoken_words=dialogue.spoken_words(text, start, end, style=self.style),
            sentences=longest.heard,
            language=told,
            measure=readability.measure(counts.at_least(), sentences=longest.heard, language=told),
            longest=longest.found(),
            terms=keywords.most_frequent(terms, number=CHAPTER_CANDIDATES),
        )

    def _phrases(self, parts: Sequence[_Part]) -> tuple[Sequence[Term], Sequence[Sequence[Term]]]:
        """The second pass: the phrases that come again in the whole, and in each chapter."""
        frequent = self.threes.frequent()
        self.threes = Threes()
        whole = Phrases(limit=MAX_PHRASES)
        repeated: list[Sequence[Term]] = []
        for number, (chapter, part) in enumerate(zip(self.chapters, parts, strict=True), start=1):
            found = Phrases(limit=MAX_PHRASES)
            for page in runs.find(self._sentences(chapter, part.language, number=number, again=True)):
                places = phrases.find(page, frequent=frequent, lowered=self.lowered)
                found.add(places)
                whole.add(places)
            repeated.append(found.repeated(language=part.language, number=CHAPTER_REPEATED_PHRASES))
        return whole.repeated(language=self.language, number=REPEATED_PHRASES), repeated

    def _language(self, start: int, end: int) -> str:
        if end - start < MIN_CHARACTERS_TO_TELL_LANGUAGE or len(self.chapters) == 1:
            return self.language
        middle = (start + end) // 2
        sample = max(start, middle - CHAPTER_SAMPLE // 2), min(end, middle + CHAPTER_SAMPLE // 2)
        return language.detect(self.text, *sample) or self.language

    def _sentences(self, chapter: Chapter, told: str, *, number: int, again: bool = False) -> Iterator[str]:
        """The sentences of a chapter. Reports how far in the text they are."""
        first, last = (PHRASES_START, CHAPTERS_END) if again else (CHAPTERS_START, PHRASES_START)
        share = (last - first) / max(len(self.text), 1)
        label = f"Chapter {number:,} of {len(self.chapters):,}{': phrases' if again else ''}" if number else None
        done = chapter.body_start
        progress.set(first + share * done, label)
        for sentence in sentences.find(self.text, chapter.body_start, chapter.end, language=told or "en"):
            yield sentence
            done += len(sentence)
            progress.set(first + share * done)
        progress.set(first + share * chapter.end)


def _sums(parts: Sequence[_Part], *, language: str) -> dict[str, Any]:
    """The figures of parts together that are numbers."""
    measure = sum((part.measure for part in parts), start=Measure())
    word_count = sum(part.words for part in parts)
    body_words = sum(part.body_words for part in parts)
    spoken_words = sum(part.spoken_words for part in parts)
    return {
        "words": word_count,
        "sentences": sum(part.sentences for part in parts),
        "reading_minutes": reading_time.minutes(word_count, words_per_minute=settings.READING_WORDS_PER_MINUTE),
        "language": language,
        "reading_ease": readability.reading_ease(measure, language=language),
        "grade_level": readability.grade_level(measure, language=language),
        "dialogue_share": round(spoken_words / body_words, 4) if body_words else None,
    }
