"""Syllables, held against words that were counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import syllables

#: Hyphens part the syllables. Where the spelling hides them, the number follows.
WORDS = (
    "cat wa-ter home lit-tle loved want-ed hous-es some-thing beau-ti-ful na-tion o-pin-ion be-ing sci-ence "
    "caf-é na-ïve fi-an-cée Na-tá-sha Ros-tóv Bron-të No-ël bless-èd co-öp-er-ate tête fa-çade smör-gås-bord Cæ-sar "
    "don't:1 did-n't u-ni-ver-sal-ly ac-knowl-edged mar-riage ques-tion Mr:2 evening:2 every:2"
)


def cases() -> list[tuple[str, int]]:
    found = []
    for word in WORDS.split():
        spelt, _, number = word.partition(":")
        found.append((spelt.replace("-", ""), int(number or spelt.count("-") + 1)))
    return found


@pytest.mark.parametrize(("word", "number"), cases())
def test_a_word_has_as_many_syllables_as_are_spoken(word: str, number: int) -> None:
    assert syllables.count(word) == number


def test_the_parts_of_a_compound_are_counted_each() -> None:
    assert syllables.count("three-and-twenty") == 4


def test_the_case_and_the_kind_of_apostrophe_do_not_matter() -> None:
    assert syllables.count("DIDN\u2019T") == syllables.count("didn't") == 2


@pytest.mark.parametrize("word", ["1813", "", "--", "\u0301"])
def test_a_text_without_letters_has_no_syllable(word: str) -> None:
    assert syllables.count(word) == 0


@given(st.text(max_size=200))
def test_any_text_has_no_more_syllables_than_letters(text: str) -> None:
    number = syllables.count(text)
    assert 0 <= number <= 2 * len(text)
    assert number or not any(character.isalpha() for character in text[: syllables.MAX_CHARACTERS].lower())
