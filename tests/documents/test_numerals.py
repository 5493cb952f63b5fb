import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import numerals


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("61", 61),
        ("I", 1),
        ("iv", 4),
        ("IIII", 4),
        ("XLIX", 49),
        ("CXXXV", 135),
        ("One", 1),
        ("twenty", 20),
        ("TWENTY-ONE", 21),
        ("Forty two", 42),
        ("ninety-ninth", 99),
        ("one hundred", 100),
        ("One Hundred and Twelve", 112),
        ("hundredth", 100),
        ("First", 1),
        ("twentieth", 20),
        ("Erstes", 1),
        ("zwölf", 12),
        ("premier", 1),
        ("dix", 10),
        ("0", None),
        ("IIV", None),
        ("one two", None),
        ("one twenty", None),
        ("hundred two hundred", None),
        ("onetime", None),
        ("", None),
    ],
)
def test_numbers_are_read_in_digits_roman_numerals_and_words(text: str, number: int | None) -> None:
    assert numerals.read(text) == number


ROMAN = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def roman(number: int) -> str:
    text = ""
    for value, letters in ROMAN:
        while number >= value:
            text, number = text + letters, number - value
    return text


@given(st.integers(1, 399))
def test_every_roman_numeral_is_read(number: int) -> None:
    assert numerals.read(roman(number)) == number
    assert numerals.read(roman(number).lower()) == number


@given(st.text(max_size=30))
def test_any_text_is_a_positive_number_or_none(text: str) -> None:
    number = numerals.read(text)
    assert number is None or number > 0


def test_the_pattern_takes_the_whole_number() -> None:
    match = re.match(numerals.PATTERN, "One Hundred and Twelve: The End", re.IGNORECASE)
    assert match is not None
    assert match[0] == "One Hundred and Twelve"
