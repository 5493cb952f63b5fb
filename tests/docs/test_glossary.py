"""The glossary is complete, and its names exist."""

import re

import pytest

from tests.docs.names import find
from tests.docs.pages import DOCS, rows

PAGE = DOCS / "glossary.md"
ROWS = rows(PAGE, header="word")


@pytest.mark.parametrize(("word", "code"), [(row[0], row[2]) for row in ROWS])
def test_the_code_of_a_word_exists(word: str, code: str) -> None:
    names = re.findall(r"`([^`]+)`", code)
    assert names, word
    for name in names:
        assert find(name) is not None


@pytest.mark.parametrize(("word", "meaning"), [(row[0], row[1]) for row in ROWS])
def test_a_meaning_is_a_sentence_or_two(word: str, meaning: str) -> None:
    sentences = re.findall(r"[.](?:\s|$)", meaning)
    assert meaning[0].isupper() or meaning[0] == "`"
    assert 1 <= len(sentences) <= 2, meaning


def test_a_word_has_one_meaning() -> None:
    words = [word for row in ROWS for word in row[0].split(", ")]
    assert len(words) == len(set(words))
