"""Syllables, against words whose syllables were told by hand."""
# ruff: noqa: RUF001 (Russian is written in Cyrillic)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import syllables

#: Hyphens part the syllables; where the spelling hides them, the number follows.
WORDS = {
    "de": "Haus Au-to Ta-ge schö-ne Theater:3 na-ti-o-nal Bau-er sie Be-stei-gung Häu-ser Quel-le Boot See Mu-se-um "
    "Kö-ni-gin Ge-sell-schaft an-er-kannt Jung-ge-sel-le Ver-mö-gen Straße:2",
    "en": "cat wa-ter home lit-tle loved want-ed hous-es some-thing beau-ti-ful na-tion o-pin-ion be-ing sci-ence "
    "don't:1 did-n't u-ni-ver-sal-ly ac-knowl-edged mar-riage ques-tion Mr:2 evening:2 every:2",
    "es": "ca-sa tie-rra ciu-dad ha-bí-a dí-a pa-ís po-e-ta muy le-yes rey gue-rra ci-güe-ña universidad:5",
    "fr": "mai-son homme:1 que:1 na-tion pied ou-bli-er cli-ent journée:2 étaient:2 parlent:1 mo-ment vent voyage:2 "
    "fille:1 soleil:2 théâtre:2 pigeon:2 l'homme:1 universellement:5 célibataire:4",
    "it": "ca-sa uo-mo fi-glio pa-e-se più Italia:3 gioia:2 perché:2 mi-o bambino:3",
    "nl": "huis boe-ken moei-lijk nieuw zee zeeën:2 beïnvloeden:4 universiteit:5",
    "pt": "ca-sa não:1 co-ra-ção di-a história:4 á-gua quan-do pai muito:2 universidade:6",
    "ru": "дом мо-ло-ко кни-га её:2 здравствуйте:3",
    "tr": "ev ki-tap gü-zel öğretmen:3 İstanbul:3",
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


def test_every_language_is_tested() -> None:
    assert set(WORDS) == syllables.LANGUAGES


def test_the_case_and_the_kind_of_apostrophe_do_not_matter() -> None:
    assert syllables.count("DIDN\u2019T", language="en") == syllables.count("didn't", language="en") == 2


@pytest.mark.parametrize("word", ["1813", "", "--", "\u0301"])
def test_what_has_no_letter_has_no_syllable(word: str) -> None:
    assert syllables.count(word, language="en") == 0


def test_a_language_without_rules_is_refused() -> None:
    with pytest.raises(KeyError, match="xx"):
        syllables.count("word", language="xx")


@given(st.text(max_size=200), st.sampled_from(sorted(syllables.LANGUAGES)))
def test_any_text_has_no_more_syllables_than_letters(text: str, language: str) -> None:
    number = syllables.count(text, language=language)
    assert 0 <= number <= 2 * len(text)
    assert number or not any(character.isalpha() for character in text[: syllables.MAX_CHARACTERS].lower())
