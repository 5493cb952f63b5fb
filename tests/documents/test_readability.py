"""Reading ease and grade level, held against figures that were calculated by hand or by textstat."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from apps.documents.analysis import findings, readability
from apps.documents.analysis.readability import Measure

#: 8 words of 10 syllables in one sentence, 25 times over: "The cat sat on the table near me."
CAT = Counter({"The": 25, "cat": 25, "sat": 25, "on": 25, "the": 25, "table": 25, "near": 25, "water": 25})

#: Excerpts of 400 to 615 words from the middle of novels in the public domain (texts of the ELTeC collection), with
#: their reading ease by textstat 0.7.7 and pyphen 0.18.1: `set_lang(language)`, `flesch_reading_ease(text)`.
EXCERPTS = json.loads((Path(__file__).parent / "reading_ease.json").read_text())


def measured(**values: int) -> Measure:
    return Measure(**{"words": 200, "sentences": 20, "syllables": 300, **values})


def test_a_text_is_measured_by_its_words() -> None:
    assert readability.measure(CAT, sentences=25, language="en") == Measure(words=200, sentences=25, syllables=250)


def test_numbers_are_no_words_to_read() -> None:
    assert readability.measure(Counter({"1813": 3, "year": 1}), sentences=1, language="en").words == 1


def test_the_reading_ease_is_that_of_flesch() -> None:
    # 10 words a sentence, 1.5 syllables a word: 206.835 - 1.015 * 10 - 84.6 * 1.5
    assert readability.reading_ease(measured(), language="en") == 69.8


@pytest.mark.parametrize(
    ("language", "excerpt"),
    [
        pytest.param(language, excerpt, id=excerpt["novel"])
        for language, excerpts in EXCERPTS.items()
        for excerpt in excerpts
    ],
)
def test_the_reading_ease_is_within_five_points_of_that_of_textstat(language: str, excerpt: dict[str, Any]) -> None:
    found = findings.analyse(excerpt["text"], words_per_minute=230)
    assert (found.language, found.grade_level) == (language, None)
    assert found.reading_ease == pytest.approx(excerpt["textstat"], abs=5)


def test_each_language_is_held_to_textstat() -> None:
    # English is by the chapters of the sample novel.
    assert {"en", *EXCERPTS} == readability.EASE.keys()


def test_the_grade_is_that_of_flesch_and_kincaid() -> None:
    # 0.39 * 10 + 11.8 * 1.5 - 15.59
    assert readability.grade_level(measured(), language="en") == 6.0


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
def test_there_is_no_figure_that_would_mean_nothing(figures: Measure, language: str) -> None:
    assert readability.reading_ease(figures, language=language) is None
    assert readability.grade_level(figures, language=language) is None


@pytest.mark.parametrize(
    ("language", "words", "has_ease", "said"),
    [
        ("en", 200, True, "Flesch, 1948"),
        ("en", 200, True, "Flesch and Kincaid"),
        ("de", 200, True, "Amstad, 1978"),
        ("de", 200, True, "grade level is for English only"),
        ("en", 99, False, "at least 100 words"),
        ("", 200, False, "the language is unknown"),
        ("fi", 200, False, "not measured in this language (fi)"),
        ("en", 200, False, "hardly any ends of sentences"),
    ],
)
def test_the_note_explains_the_figures_or_their_absence(language: str, words: int, has_ease: bool, said: str) -> None:
    assert said in readability.note(language=language, words=words, has_ease=has_ease)


def test_the_measures_of_parts_add_up() -> None:
    one = readability.measure(Counter({"beautiful": 2, "cat": 1}), sentences=1, language="en")
    other = readability.measure(Counter({"beautiful": 1, "dog": 4}), sentences=2, language="en")
    both = readability.measure(Counter({"beautiful": 3, "cat": 1, "dog": 4}), sentences=3, language="en")
    assert one + other == both


def test_a_text_in_another_language_is_not_measured() -> None:
    assert readability.measure(CAT, sentences=25, language="fi") == Measure()
