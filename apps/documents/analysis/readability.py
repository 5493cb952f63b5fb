"""Readability: Flesch's reading ease, and in English Flesch and Kincaid's grade level.

The reading ease goes from about 100, very easy, to 0, very hard, and may go beyond. The grade level is the school year
from which on a reader understands the text. A language has a reading ease if its constants were published and the tests
hold it to that of textstat.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache

from apps.documents.analysis import syllables

#: Authors and constants of the reading ease, by ISO 639-1 code: base, weight of the words in a sentence, weight of the
#: syllables in a word.
EASE = {
    "de": ("Amstad, 1978", 180, 1, 58.5),
    "en": ("Flesch, 1948", 206.835, 1.015, 84.6),
    "es": ("Fernández Huerta, 1959", 206.84, 1.02, 60),
    "fr": ("Kandel and Moles, 1958", 207, 1.015, 73.6),
}
#: Fewest words with a readability. Flesch took samples of 100; in fewer, chance rules.
MIN_WORDS = 100
#: Largest mean length of a sentence, in words. A text above it has no full stops: a list, or verses.
MAX_MEAN_SENTENCE_WORDS = 100


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Counts that the formulas need. Those of the parts of a text add up to those of the whole.

    Parameters:
      words: Words with letters in them.
    """

    words: int = 0
    sentences: int = 0
    syllables: int = 0

    def __add__(self, other: "Measure") -> "Measure":
        sums = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        return Measure(**sums)


def measure(counts: Mapping[str, int], *, sentences: int, language: str) -> Measure:
    """Return the measure of a text. It is empty in a language that is not measured.

    Parameters:
      counts: Number of occurrences of each word.
      language: ISO 639-1 code.
    """
    if language not in EASE:
        return Measure()
    syllables_of = {word: _syllables(word, language) for word in counts}
    return Measure(
        words=sum(count for word, count in counts.items() if syllables_of[word]),
        sentences=sentences,
        syllables=sum(count * syllables_of[word] for word, count in counts.items()),
    )


def reading_ease(measured: Measure, *, language: str) -> float | None:
    """Return Flesch's reading ease, to the tenth. None: it would mean nothing; `note` says why."""
    if language not in EASE or _too_little(measured):
        return None
    words = measured.words
    _, base, per_word, per_syllable = EASE[language]
    return round(base - per_word * words / measured.sentences - per_syllable * measured.syllables / words, 1)


def grade_level(measured: Measure, *, language: str) -> float | None:
    """Return the grade level of Flesch and Kincaid (1975), to the tenth. None: it would mean nothing."""
    if language != "en" or _too_little(measured):
        return None
    words = measured.words
    return round(0.39 * words / measured.sentences + 11.8 * measured.syllables / words - 15.59, 1)


def note(*, language: str, words: int, has_ease: bool) -> str:
    """Return a sentence or two for the writer: the meaning of the two figures, or why there are none.

    Parameters:
      language, words: Of the text. Language empty: unknown.
      has_ease: Whether there is a reading ease.
    """
    if has_ease:
        grade = "Grade level by Flesch and Kincaid." if language == "en" else "The grade level is for English only."
        authors = EASE[language][0]
        return f"Reading ease by the formula for this language ({authors}): 100 is very easy, 0 very hard. {grade}"
    if words < MIN_WORDS:
        return f"No readability: it takes at least {MIN_WORDS} words."
    if not language:
        return "No readability: the language is unknown."
    if language not in EASE:
        return f"No readability: it is not measured in this language ({language})."
    return "No readability: the text has hardly any ends of sentences, or was processed before it was measured."


def _too_little(measured: Measure) -> bool:
    return measured.words < MIN_WORDS or measured.words > MAX_MEAN_SENTENCE_WORDS * measured.sentences


@lru_cache(maxsize=50_000)
def _syllables(word: str, language: str) -> int:
    return syllables.count(word, language=language)
