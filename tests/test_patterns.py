"""No pattern of the project takes more than linear time, whatever text a stranger sends."""

import re

import pytest

from tests import patterns


def test_every_pattern_takes_linear_time() -> None:
    """It takes some seconds: thousands of inputs are derived from the patterns."""
    found = patterns.collected()
    assert len(found) > 50
    slow = {place: told for place, pattern in found.items() if (told := patterns.slow(pattern))}
    assert {place: f"{found[place].pattern!r}: {told}" for place, told in slow.items()} == {}


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(?:a|aa)*b",
        r"(?:\w+\s*)+:",
        r"^\s*\s*x",
        r"\s+$",
        r"[^\S\n]*(?:[.:)]*[^\S\n]*[\u2014-]+|[.:)]+)[^\S\n]*(?P<title>\S.*)",
        r"(?:(?:\.[^\S\n]*){3,}|\t[^\S\n]*|[^\S\n]{3,})\d+[^\S\n]*$",
        r"contents[^\S\n]*[.:]*[^\S\n]*$",
        r"([^\W\d_]+)[\ufffe\x02]([^\W\d_]*)",
        r'"(?:[^"\\]|\\.)*"',
        r"<\?xml[^>]*>",
        r"(?s)<!--.*?-->",
        r"\n(?:[^\S\n]*\n)*(?:\t| {2,}).+x",
        r"(?:“[^”]*)?”",
        rb"\s*<html",
    ],
)
def test_a_pattern_that_takes_longer_would_be_found(pattern: str | bytes) -> None:
    assert patterns.slow(re.compile(pattern)) is not None


@pytest.mark.parametrize(
    "pattern",
    [r"a+", r"^\s*x", r"(?<!\s)\s++x", r"\A\s*<html", r"<meta[^>]{0,200}?charset", r"\d{1,4}(?:\.\d{1,4}){0,3}"],
)
def test_a_pattern_that_takes_linear_time_is_none_of_them(pattern: str) -> None:
    assert patterns.slow(re.compile(pattern)) is None


def test_patterns_are_found_in_collections_classes_and_functions() -> None:
    one, two, three = (re.compile(text) for text in ("one", "two", "three"))
    assert set(patterns.patterns_in({"a": (one, [two]), three: ""})) == {one, two, three}
    source = "import re\ndef f(text):\n    return re.sub(rf'{WORD}+', '', text), re.compile('b', re.IGNORECASE)\n"
    made = dict(patterns.in_functions(source, {"WORD": "a", "re": re}))
    assert {pattern.pattern for pattern in made.values()} <= {"a+", "b"}
    assert [pattern.pattern for _, pattern in patterns.in_functions(source, {"WORD": "a", "re": re})] == ["a+", "b"]


def test_a_pattern_that_is_built_from_local_names_is_refused() -> None:
    """It could not be checked. Build it in the module, once for each value."""
    source = "import re\ndef f(mark, text):\n    return re.findall(mark + '*', text)\n"
    with pytest.raises(NameError):
        list(patterns.in_functions(source, {"re": re}))
