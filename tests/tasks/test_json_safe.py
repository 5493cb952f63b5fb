"""Values and texts that JSON or a database would refuse."""

import pytest

from apps.tasks.json_safe import clean_text, json_safe


@pytest.mark.parametrize(("text", "cleaned"), [("a\x00b", "a\ufffdb"), ("\ud800", "?"), ("é\U0001f600", "é\U0001f600")])
def test_nuls_and_lone_surrogates_are_replaced(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def test_every_text_of_a_value_is_cleaned() -> None:
    assert json_safe({"a\x00": ["\ud800", {"b": "\x00"}]}) == {"a\ufffd": ["?", {"b": "\ufffd"}]}


def test_a_value_is_returned_as_json_carries_it() -> None:
    assert json_safe({"a": (1, 2.5, None, True)}) == {"a": [1, 2.5, None, True]}


@pytest.mark.parametrize("value", [float("nan"), b"bytes", object()])
def test_a_value_that_json_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        json_safe(value)
