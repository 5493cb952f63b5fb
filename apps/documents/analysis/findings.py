"""Figures of a text, and of each of its chapters."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

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
    structure,
    words,
)
from apps.documents.analysis.chapters import Chapter
from apps.documents.analysis.dialogue import Style
from apps.documents.analysis.longest_sentences import Longest, Sentence
from apps.documents.analysis.phrases import Phrases, Threes
from apps.documents.analysis.readability import Measure
from apps.documents.analysis.scripts import WITHOUT_SPACES
from apps.documents.analysis.structure import Text
from apps.documents.analysis.tally import Tally
from apps.documents.analysis.term import Term

#: Called with the share that is done, 0 to 1, and a text that names the step, which may be empty.
OnProgress = Callable[[float, str], None]

#: Share of the analysis that the first pass over the chapters takes. The second takes the rest.
FIRST_PASS = 8 / 11

#: Entries that are kept of the whole text, and of each chapter.
KEYWORDS, CHAPTER_KEYWORDS = 12, 8
LONGEST_SENTENCES, CHAPTER_LONGEST_SENTENCES = 5, 3
REPEATED_PHRASES, CHAPTER_REPEATED_PHRASES = 12, 5

#: Characters from which on a chapter's own language is detected. A shorter chapter has that of the whole.
MIN_CHARACTERS_TO_DETECT = 1_000
#: Characters from the middle of a chapter that tell its language.
CHAPTER_SAMPLE = 1_000
#: Different words that are counted, 40 MB of them; no book has as many. In a text that has more, names that first
#: occur late are no keywords.
MAX_DIFFERENT_WORDS = 250_000
#: Different phrases that are counted.
MAX_PHRASES = 200_000
#: Words among which the keywords of a chapter are chosen.
CHAPTER_CANDIDATES = 40


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures of a text.

    Parameters:
      words, sentences: Their numbers. Characters count as words in a language that is written without spaces.
      reading_minutes: At `READING_WORDS_PER_MINUTE`, to the hundredth.
      language: ISO 639-1 code. Empty: unknown.
      reading_ease, grade_level: See `readability`. None: they would mean nothing.
      dialogue_share: Share of the words that are spoken, 0 to 1. None: without a word, or in a language whose
        dialogue is not measured.
      keywords, repeated_phrases, longest_sentences: The most telling ones, in order. Without spaces between words there
        are no keywords and phrases: None.
    """

    words: int
    sentences: int
    reading_minutes: float
    language: str
    reading_ease: float | None
    grade_level: float | None
    dialogue_share: float | None
    keywords: Sequence[Term] | None
    longest_sentences: Sequence[Sentence]
    repeated_phrases: Sequence[Term] | None


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
    """Results of the first pass over a chapter, or over the front matter.

    Parameters:
      words: Including those of the heading. All other figures are those of the text below it.
      spoken_words: None: not measured in this language.
      terms: Candidates for keywords, the most frequent first.
    """

    words: int
    body_words: int
    spoken_words: int | None
    sentences: int
    language: str
    measure: Measure
    longest: Sequence[Sentence]
    terms: Sequence[Term]


def analyse(text: str, *, words_per_minute: int, on_progress: OnProgress = lambda share, what: None) -> Findings:
    """Return the figures of a text, without the header and licence of Project Gutenberg.

    Progress is reported by chapter. A heading's words belong to its chapter, but a heading is no sentence. Front matter
    and other parts that are no chapters belong to the whole only.

    Parameters:
      words_per_minute: Speed of reading, for the reading time.
    """
    # By the same name, so that the text with its marks is let go.
    text = Text.of(gutenberg.without_licence(newlines.normalised(structure.marked(text))))
    return _Analysis(text, words_per_minute, on_progress).findings()


class _Analysis:
    """Two passes over a text. The first finds everything but the phrases, and prepares those for the second."""

    def __init__(self, text: Text, words_per_minute: int, on_progress: OnProgress) -> None:
        self.text = text
        self.words_per_minute = words_per_minute
        self.on_progress = on_progress
        self.chapters = chapters.find(text)
        self.language = language.detect(text)
        self.different_words: Tally[str] = Tally(limit=MAX_DIFFERENT_WORDS)
        self.parts_with: Tally[str] = Tally(limit=MAX_DIFFERENT_WORDS)
        self.threes = Threes()
        self.lowered = phrases.Lowered()
        #: Marks of speech, by language.
        self.styles: dict[str, Style] = {}

    def style(self, written_in: str) -> Style:
        if written_in not in self.styles:
            self.styles[written_in] = dialogue.style(self.text, language=written_in)
        return self.styles[written_in]

    def findings(self) -> Findings:
        around: list[_Part] = []
        parts: list[_Part] = []
        done = 0
        for number, chapter in enumerate(self.chapters, start=1):
            around += self._around(done, chapter.start)
            parts.append(self._part(chapter, number=number))
            done = chapter.end
        around += self._around(done, len(self.text))
        everything = [*around, *parts]
        longest = Longest(LONGEST_SENTENCES)
        for part in everything:
            longest.add(part.longest)
        whole_terms = keywords.terms(self.different_words.exact(), language=self.language)
        repeated, repeated_in_chapters = self._phrases(parts)
        return Findings(
            **self._sums(everything, language=self.language),
            keywords=_of_words(keywords.most_frequent(whole_terms, number=KEYWORDS), self.language),
            longest_sentences=longest.found(),
            repeated_phrases=_of_words(repeated, self.language),
            chapters=[
                ChapterFigures(
                    title=chapter.title,
                    **self._sums([part], language=part.language),
                    keywords=_of_words(
                        keywords.most_telling(
                            part.terms,
                            parts_with=self.parts_with.at_least(),
                            parts=len(parts),
                            number=CHAPTER_KEYWORDS,
                        ),
                        part.language,
                    ),
                    longest_sentences=part.longest,
                    repeated_phrases=_of_words(phrases_in_it, part.language),
                )
                for chapter, part, phrases_in_it in zip(self.chapters, parts, repeated_in_chapters, strict=True)
            ],
        )

    def _around(self, start: int, end: int) -> list[_Part]:
        """Return front matter, or another part that is no chapter, if there is any text in it."""
        return [self._part(Chapter(start=start, body_start=start, end=end, title=""))] if start < end else []

    def _part(self, chapter: Chapter, *, number: int = 0) -> _Part:
        """Run the first pass over a chapter. Number 0 is the front matter."""
        text, start, end = self.text, chapter.body_start, chapter.end
        written_in = self._language(start, end)
        longest = Longest(CHAPTER_LONGEST_SENTENCES)
        counts: Tally[str] = Tally(limit=MAX_DIFFERENT_WORDS)
        for page in runs.find(longest.watch(self._sentences(chapter, written_in, number=number))):
            counts.add(chain.from_iterable(page))
            self.threes.add(page, lowered=self.lowered)
        self.different_words.merge(counts.at_least())
        terms = keywords.terms(counts.exact(), language=written_in)
        if number:
            self.parts_with.merge(keywords.keys(terms))
        heading_words = words.count(text, chapter.start, start)
        body_words = words.count(text, start, end)
        is_measured = written_in in dialogue.LANGUAGES
        return _Part(
            words=heading_words + body_words,
            body_words=body_words,
            spoken_words=(
                dialogue.spoken_words(text, start, end, style=self.style(written_in)) if is_measured else None
            ),
            sentences=longest.seen,
            language=written_in,
            measure=readability.measure(counts.at_least(), sentences=longest.seen, language=written_in),
            longest=longest.found(),
            terms=keywords.most_frequent(terms, number=CHAPTER_CANDIDATES),
        )

    def _phrases(self, parts: Sequence[_Part]) -> tuple[Sequence[Term], Sequence[Sequence[Term]]]:
        """Run the second pass. Return the repeated phrases of the whole, and of each chapter."""
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
        if end - start < MIN_CHARACTERS_TO_DETECT or len(self.chapters) == 1:
            return self.language
        middle = (start + end) // 2
        sample = max(start, middle - CHAPTER_SAMPLE // 2), min(end, middle + CHAPTER_SAMPLE // 2)
        return language.detect(self.text, *sample) or self.language

    def _sentences(self, chapter: Chapter, written_in: str, *, number: int, again: bool = False) -> Iterator[str]:
        """Yield the sentences of a chapter, and report the progress through the text."""
        first, last = (FIRST_PASS, 1.0) if again else (0.0, FIRST_PASS)
        share = (last - first) / max(len(self.text), 1)
        what = f"Chapter {number:,} of {len(self.chapters):,}{': phrases' if again else ''}" if number else ""
        done = chapter.body_start
        self.on_progress(first + share * done, what)
        for sentence in sentences.find(self.text, chapter.body_start, chapter.end, language=written_in or "en"):
            yield sentence
            # Some pieces have a space more than the text.
            done = min(done + len(sentence), chapter.end)
            self.on_progress(first + share * done, what)
        self.on_progress(first + share * chapter.end, what)

    def _sums(self, parts: Sequence[_Part], *, language: str) -> dict[str, Any]:
        """Return the numeric figures of parts together."""
        measure = sum((part.measure for part in parts if part.language == language), start=Measure())
        word_count = sum(part.words for part in parts)
        return {
            "words": word_count,
            "sentences": sum(part.sentences for part in parts),
            "reading_minutes": reading_time.minutes(
                word_count, words_per_minute=self.words_per_minute, language=language
            ),
            "language": language,
            "reading_ease": readability.reading_ease(measure, language=language),
            "grade_level": readability.grade_level(measure, language=language),
            "dialogue_share": _dialogue_share(parts) if language in dialogue.LANGUAGES else None,
        }


def _of_words(found: Sequence[Term], language: str) -> Sequence[Term] | None:
    """Return terms in a language whose words can be told apart. None: its characters are counted."""
    return None if language in WITHOUT_SPACES else found


def _dialogue_share(parts: Sequence[_Part]) -> float | None:
    """Return the share of spoken words in the parts whose dialogue is measured."""
    measured = [(part.spoken_words, part.body_words) for part in parts if part.spoken_words is not None]
    body_words = sum(body for _, body in measured)
    return round(sum(spoken for spoken, _ in measured) / body_words, 4) if body_words else None
