"""The reading ease and the grade level, against figures worked out by hand."""

from collections import Counter

import pytest

from apps.documents.analysis import readability
from apps.documents.analysis.readability import Measure

#: 8 words of 10 syllables in one sentence, 25 times over: "The cat sat on the table near me."
CAT = Counter({"The": 25, "cat": 25, "sat": 25, "on": 25, "the": 25, "table": 25, "near": 25, "water": 25})


def measured(**values: int) -> Measure:
    return Measure(**{"words": 200, "sentences": 20, "syllables": 300, **values})


def test_a_text_is_measured_by_its_words() -> None:
    assert readability.measure(CAT, sentences=25, language="en") == Measure(
        words=200, sentences=25, syllables=250, monosyllables=150, polysyllables=0, long_words=0
    )


def test_numbers_are_no_words_to_read() -> None:
    assert readability.measure(Counter({"1813": 3, "year": 1}), sentences=1, language="en").words == 1


@pytest.mark.parametrize(
    ("language", "ease"),
    [
        # 10 words a sentence, 1.5 syllables a word.
        ("en", 69.8),  # 206.835 - 10.15 - 126.9
        ("de", 82.2),  # 180 - 10 - 87.75 = 82.25; half goes to the even digit
        ("fr", 86.4),  # 207 - 10.15 - 110.4
        ("es", 103.4),  # 206.835 - 10 - 93.45
        ("it", 114.0),  # 217 - 13 - 90
        ("nl", 82.0),  # 206.835 - 9.3 - 115.5
        ("pt", 111.8),  # 248.835 - 10.15 - 126.9
        ("ru", 103.7),  # 206.835 - 13 - 90.15
        ("tr", 112.5),  # 198.825 - 26.1 - 60.2625
    ],
)
def test_the_reading_ease_is_that_of_the_language(language: str, ease: float) -> None:
    assert readability.reading_ease(measured(), language=language) == pytest.approx(ease, abs=0.051)


def test_the_english_grade_is_that_of_flesch_and_kincaid() -> None:
    # 0.39 * 10 + 11.8 * 1.5 - 15.59
    assert readability.grade_level(measured(), language="en") == 6.0


def test_the_german_grade_is_the_first_vienna_formula() -> None:
    # 0.1935 * 20 % + 0.1672 * 10 + 0.1297 * 30 % - 0.0327 * 50 % - 0.875 = 6.923
    figures = measured(polysyllables=40, long_words=60, monosyllables=100)
    assert readability.grade_level(figures, language="de") == 6.9


@pytest.mark.parametrize("language", sorted(readability.EASE.keys() - {"de", "en"}))
def test_no_grade_is_made_up_for_other_languages(language: str) -> None:
    assert readability.grade_level(measured(), language=language) is None
    assert "no grade level" in readability.note(language=language, words=200, has_ease=True)


@pytest.mark.parametrize(
    ("figures", "language"),
    [
        (measured(words=99), "en"),
        (measured(words=0, sentences=0, syllables=0), "en"),
        (measured(words=20_200, sentences=200), "en"),
        (measured(sentences=0), "en"),
        (measured(), "fi"),
        (measured(), ""),
    ],
)
def test_where_it_would_mean_nothing_there_is_no_figure(figures: Measure, language: str) -> None:
    assert readability.reading_ease(figures, language=language) is None
    assert readability.grade_level(figures, language=language) is None


@pytest.mark.parametrize(
    ("language", "words", "has_ease", "said"),
    [
        ("en", 200, True, "Flesch, 1948"),
        ("en", 200, True, "Flesch and Kincaid"),
        ("de", 200, True, "Amstad, 1978"),
        ("de", 200, True, "Vienna"),
        ("en", 99, False, "at least 100 words"),
        ("", 200, False, "language could not be told"),
        ("fi", 200, False, "no formula was published for this language (fi)"),
        ("en", 200, False, "hardly any ends of sentences"),
    ],
)
def test_the_note_says_what_the_figures_mean_or_why_there_are_none(
    language: str, words: int, has_ease: bool, said: str
) -> None:
    assert said in readability.note(language=language, words=words, has_ease=has_ease)


def test_the_measures_of_parts_add_up() -> None:
    one = readability.measure(Counter({"beautiful": 2, "cat": 1}), sentences=1, language="en")
    other = readability.measure(Counter({"beautiful": 1, "dog": 4}), sentences=2, language="en")
    both = readability.measure(Counter({"beautiful": 3, "cat": 1, "dog": 4}), sentences=3, language="en")
    assert one + other == both
