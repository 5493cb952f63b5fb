"""Syllables, held against words that were counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import syllables

#: Hyphens part the syllables. Where the spelling hides them, the number follows.
WORDS = {
    "en": "cat wa-ter home lit-tle loved want-ed hous-es some-thing beau-ti-ful na-tion o-pin-ion be-ing sci-ence "
    "caf-é na-ïve fi-an-cée Na-tá-sha Ros-tóv Bron-të No-ël bless-èd co-öp-er-ate tête fa-çade smör-gås-bord Cæ-sar "
    "don't:1 did-n't u-ni-ver-sal-ly ac-knowl-edged mar-riage ques-tion Mr:2 evening:2 every:2",
    "de": "Haus Au-to Ta-ge schö-ne sie Be-stei-gung Häu-ser Quel-le Boot See Kö-ni-gin Ge-sell-schaft Ver-mö-gen",
    "es": "ca-sa y tie-rra ciu-dad muy rey gue-rra que ci-güe-ña universidad:5",
    "fr": "mai-son homme:1 hommes:1 que:1 qu'il:1 na-tion i-dée i-dées été:2 étaient:2 parlent:1 naïf:2 fille:1 "
    "soleil:2 l'homme:1 célibataire:4",
}


def cases() -> list[tuple[str, str, int]]:
    found = []
    for language, words in WORDS.items():
        for word in words.split():
            spelt, _, number = word.partition(":")
            found.append((language, spelt.replace("-", ""), int(number or spelt.count("-") + 1)))
    return found


@pytest.mark.parametrize(("language", "word", "number"), cases())
def test_a_word_has_as_many_syllables_as_are_spoken(language: str, word: str, number: int) -> None:
    assert syllables.count(word, language=language) == number


def test_the_parts_of_a_compound_are_counted_each() -> None:
    assert syllables.count("three-and-twenty", language="en") == 4


def test_the_case_and_the_kind_of_apostrophe_do_not_matter() -> None:
    assert syllables.count("DIDN\u2019T", language="en") == syllables.count("didn't", language="en") == 2


@pytest.mark.parametrize("word", ["1813", "", "--", "\u0301"])
def test_a_text_without_letters_has_no_syllable(word: str) -> None:
    assert syllables.count(word, language="en") == 0


@given(st.text(max_size=200), st.sampled_from(sorted(WORDS)))
def test_any_text_has_no_more_syllables_than_letters(text: str, language: str) -> None:
    number = syllables.count(text, language=language)
    assert 0 <= number <= 2 * len(text)
    assert number or not any(character.isalpha() for character in text[: syllables.MAX_CHARACTERS].lower())
