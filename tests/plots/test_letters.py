"""Widths of texts, estimated without a font."""

import pytest

from apps.plots.letters import fitted, width


def test_a_text_that_is_too_wide_is_cut_with_an_ellipsis() -> None:
    whole = "A very long title of a very long novel"
    cut = fitted(whole, size=10, points=80)
    assert cut.endswith("…")
    assert whole.startswith(cut[:-1])
    assert width(cut, size=10) <= 80 < width(whole, size=10)
    assert fitted("short", size=10, points=80) == "short"


@pytest.mark.parametrize("text", ["e\u0301" * 90, "क्षत्रिय " * 30, "שָׁלוֹם " * 30, "漢" * 90], ids=ascii)
def test_a_mark_stays_with_its_letter_and_has_no_width(text: str) -> None:
    cut = fitted(text, size=10, points=80)
    assert width(cut, size=10) <= 80
    rest = text[len(cut) - 1 :]
    assert width(rest[:1], size=10) > 0


def test_a_text_of_any_length_is_one_line() -> None:
    assert fitted("a\nb\t c", size=10, points=80) == "a b c"
    assert len(fitted("x" * 1_000_000, size=10, points=80)) < 20
