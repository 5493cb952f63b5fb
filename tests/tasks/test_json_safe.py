"""Values and texts that JSON or a database would refuse."""

import json

import pytest

from apps.tasks.json_safe import COMPACT, clean_text, from_compact, json_safe


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


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1.5e300,
        2**70,
        "",
        'a "quote"\n\u00e9\U0001f600\x00',
        [],
        {},
        (1, [2, {"a": ()}]),
        {"é": {"b": [None]}, "": 1},
    ],
)
def test_json_is_written_as_messages_have_it(value: object) -> None:
    assert COMPACT.encode(value) == json.dumps(value, separators=(",", ":"))


def test_what_json_cannot_write_is_refused_and_not_half_written() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="set"):
        COMPACT.encode([1, {2}])
    with pytest.raises(RecursionError):
        COMPACT.encode(endless)


@pytest.mark.parametrize(
    "text", ["null", "[1,2.5]", '{"a":[{}]}', " [1, 2]\n", '"\\ud800"', "-0.0", "[12345678901234567890]"]
)
def test_a_text_is_read_as_by_the_standard_library(text: str) -> None:
    assert repr(from_compact(text)) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["", "[", "[1]]", "[1] x", "{'a': 1}", "nul"])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1 column"):
        from_compact(text)
