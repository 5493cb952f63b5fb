"""Figures as people read them."""

import pytest

from apps.pages.templatetags import figures


@pytest.mark.parametrize(("value", "text"), [(0, "0 min"), (0.2, "1 min"), (59.6, "1 h 0 min"), (529.9, "8 h 50 min")])
def test_minutes(value: float, text: str) -> None:
    assert figures.minutes(value) == text


@pytest.mark.parametrize(
    ("value", "word"),
    [(121, "very easy"), (90, "very easy"), (65.2, "plain"), (29.9, "very hard"), (-5, "very hard")],
)
def test_the_ease_in_a_word(value: float, word: str) -> None:
    assert figures.ease(value) == word


def test_an_unknown_figure_is_empty() -> None:
    filters = (figures.number, figures.minutes, figures.percent, figures.ease, figures.language)
    assert [filter(None) for filter in filters] == [""] * 5


def test_counts_languages_sizes_and_shares() -> None:
    assert figures.counted(1, "chapter") == "1 chapter"
    assert figures.counted(1_061, "chapter") == "1,061 chapters"
    assert figures.language("en") == "English"
    assert figures.language("xx") == "xx"
    assert figures.megabytes(50 * 1024**2) == "50\N{NO-BREAK SPACE}MB"
    assert figures.megabytes(3 * 1024**2 // 2) == "1.5\N{NO-BREAK SPACE}MB"
    assert figures.percent(0.466) == "47\N{NO-BREAK SPACE}%"
