from collections import Counter

import pytest

from apps.documents.analysis import keywords
from apps.documents.analysis.term import Term


def found(counts: dict[str, int], *, language: str = "en") -> list[tuple[str, int]]:
    terms = keywords.terms(Counter(counts), language=language)
    return [(term.text, term.count) for term in keywords.most_frequent(terms, number=10)]


def test_the_most_frequent_words_come_first_without_stop_words_numbers_and_rare_ones() -> None:
    assert found({"the": 99, "rain": 3, "roof": 5, "1813": 9, "said": 7, "once": 8, "Emma": 4, "lonely": 1}) == [
        ("roof", 5), ("Emma", 4), ("rain", 3),
    ]  # fmt: skip


def test_a_word_is_the_same_in_any_case_and_shown_as_it_stands_most_often() -> None:
    assert found({"Rain": 2, "rain": 5, "RAIN": 1}) == [("rain", 8)]
    assert found({"elizabeth": 1, "Elizabeth": 6}) == [("Elizabeth", 7)]


@pytest.mark.parametrize(
    ("language", "words", "bare"),
    [
        ("en", ("Emma", "Emma's", "Emma\u2019s"), "Emma"),
        ("fr", ("homme", "l'homme", "d\u2019homme"), "homme"),
        ("it", ("acqua", "l'acqua", "dell'acqua"), "acqua"),
    ],
)
def test_an_article_joined_with_an_apostrophe_is_no_part_of_a_word(
    language: str, words: tuple[str, ...], bare: str
) -> None:
    assert found(dict.fromkeys(words, 2), language=language) == [(bare, 6)]


def test_the_keywords_of_a_chapter_are_those_that_others_lack() -> None:
    terms = [Term(text="Elizabeth", count=12), Term(text="letter", count=9), Term(text="Pemberley", count=6)]
    telling = keywords.most_telling(
        terms, parts_with={"elizabeth": 60, "letter": 20, "pemberley": 2}, parts=61, number=2
    )
    # 12 * 1.02, 9 * 2.1, 6 * 4.4
    assert [term.text for term in telling] == ["Pemberley", "letter"]


def test_an_unknown_language_has_keywords_too() -> None:
    assert found({"zorg": 3}, language="") == [("zorg", 3)]
