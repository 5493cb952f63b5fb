"""How easy a text is to read: Flesch's formula, in the form that was published for each language.

The reading ease goes from about 100, very easy, to 0, very hard, and may go beyond. The constants are fitted to a
language: a formula for English says nothing of a German text. So there is no figure where nobody published one.
The grade level is the school year from which on one understands the text: Flesch and Kincaid's for English, the first
Vienna formula (Erste Wiener Sachtextformel) for German.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache

from apps.documents.analysis import syllables

#: Flesch took samples of 100 words; in fewer, chance rules.
MIN_WORDS = 100
#: Longer sentences than this, on average, have no full stops: a list, or verses.
MAX_MEAN_SENTENCE_WORDS = 100


@dataclass(frozen=True, kw_only=True)
class Ease:
    """`base - per_sentence_word * (words a sentence) - per_syllable * (syllables a word)`"""

    authors: str
    base: float
    per_sentence_word: float
    per_syllable: float


#: By ISO 639-1 code.
EASE: Mapping[str, Ease] = {
    "de": Ease(authors="Amstad, 1978", base=180, per_sentence_word=1, per_syllable=58.5),
    "en": Ease(authors="Flesch, 1948", base=206.835, per_sentence_word=1.015, per_syllable=84.6),
    "es": Ease(authors="Szigriszt Pazos, 1993", base=206.835, per_sentence_word=1, per_syllable=62.3),
    "fr": Ease(authors="Kandel and Moles, 1958", base=207, per_sentence_word=1.015, per_syllable=73.6),
    "it": Ease(authors="Vacca, 1986", base=217, per_sentence_word=1.3, per_syllable=60),
    "nl": Ease(authors="Douma, 1960", base=206.835, per_sentence_word=0.93, per_syllable=77),
    "pt": Ease(authors="Martins and others, 1996", base=248.835, per_sentence_word=1.015, per_syllable=84.6),
    "ru": Ease(authors="Oborneva, 2006", base=206.835, per_sentence_word=1.3, per_syllable=60.1),
    "tr": Ease(authors="Ateşman, 1997", base=198.825, per_sentence_word=2.61, per_syllable=40.175),
}
GRADE_LANGUAGES = frozenset({"de", "en"})


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What the formulas want to know of a text. Measures of its parts add up to the one of the whole.

    Parameters:
      words: Those with letters in them.
      monosyllables, polysyllables: Words of one syllable, and of three or more.
      long_words: Words of more than six letters.
    """

    words: int = 0
    sentences: int = 0
    syllables: int = 0
    monosyllables: int = 0
    polysyllables: int = 0
    long_words: int = 0

    def __add__(self, other: "Measure") -> "Measure":
        sums = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        return Measure(**sums)


def measure(counts: Mapping[str, int], *, sentences: int, language: str) -> Measure:
    """The measure of a text.

    Parameters:
      counts: How often each word occurs in it.
      language: Where there are no rules for its syllables, no word is measured.
    """
    if language not in syllables.LANGUAGES:
        return Measure()
    totals = [0, 0, 0, 0, 0]
    for word, count in counts.items():
        number = _syllables(word, language)
        if number:
            totals[0] += count
            totals[1] += count * number
            totals[2] += count * (number == 1)
            totals[3] += count * (number >= 3)
            totals[4] += count * (len(word) > 6)
    return Measure(
        words=totals[0],
        sentences=sentences,
        syllables=totals[1],
        monosyllables=totals[2],
        polysyllables=totals[3],
        long_words=totals[4],
    )


def reading_ease(measured: Measure, *, language: str) -> float | None:
    """The reading ease to the tenth; None where it would mean nothing, which `note` explains."""
    formula = EASE.get(language)
    if formula is None or _too_little(measured):
        return None
    return round(
        formula.base
        - formula.per_sentence_word * measured.words / measured.sentences
        - formula.per_syllable * measured.syllables / measured.words,
        1,
    )


def grade_level(measured: Measure, *, language: str) -> float | None:
    """The school year to the tenth; None where it would mean nothing, which `note` explains."""
    if language not in GRADE_LANGUAGES or _too_little(measured):
        return None
    words, sentence_words = measured.words, measured.words / measured.sentences
    if language == "en":
        return round(0.39 * sentence_words + 11.8 * measured.syllables / words - 15.59, 1)
    percent = 100 / words
    return round(
        0.1935 * measured.polysyllables * percent
        + 0.1672 * sentence_words
        + 0.1297 * measured.long_words * percent
        - 0.0327 * measured.monosyllables * percent
        - 0.875,
        1,
    )


def note(*, language: str, words: int, has_ease: bool) -> str:
    """What the two figures mean for a text, or why there are none, in a sentence or two for the writer.

    Parameters:
      language, words: Of the text. Language empty: not told.
      has_ease: Whether there is a reading ease.
    """
    if has_ease:
        formula = EASE[language]
        said = f"Reading ease by the formula for this language ({formula.authors}): 100 is very easy, 0 very hard."
        grades = {"en": " Grade level by Flesch and Kincaid.", "de": " Grade level by the first Vienna formula."}
        return said + grades.get(language, " There is no grade level: none was published for this language.")
    if words < MIN_WORDS:
        return f"No readability: it takes at least {MIN_WORDS} words."
    if not language:
        return "No readability: the language could not be told."
    if language not in EASE:
        return f"No readability: no formula was published for this language ({language})."
    return "No readability: the text has hardly any ends of sentences."


def _too_little(measured: Measure) -> bool:
    return measured.words < MIN_WORDS or measured.words > MAX_MEAN_SENTENCE_WORDS * measured.sentences


@lru_cache(maxsize=50_000)
def _syllables(word: str, language: str) -> int:
    return syllables.count(word, language=language)
