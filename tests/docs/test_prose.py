"""The language of the documentation, as docs/glossary.md asks for it."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, name_of, prose
from tests.docs.test_language import LIMIT, hits

#: A decision keeps the words of its day.
SPOKEN = [page for page in PAGES if not name_of(page).startswith("docs/decisions")]

#: Words that the glossary replaces, each with its word.
REPLACED = {
    r"call(s|ed|ing)? off": "cancel",
    r"(send|sends|sent|sending) again": "retry",
    r"(hand|hands|handed|handing|give|gives|given|giving) back": "release",
    r"put(s|ting)? back": "requeue",
    r"swe(ep|eps|pt)": "reconciler",
    r"surplus": "rebalancer",
    r"guard process": "watchdog",
    r"storable": "json_safe",
}


def test_the_pages_speak_plainly() -> None:
    words, found = 0, []
    for page in SPOKEN:
        for text in prose(page):
            words += len(text.split())
            found += [f"{name_of(page)}: {hit} in {text[:60]!r}" for hit in hits(text)]
    assert 1000 * len(found) / words <= LIMIT, found


@pytest.mark.parametrize("page", SPOKEN, ids=name_of)
def test_a_page_uses_the_words_of_the_glossary(page: Path) -> None:
    found = [
        f"{match.group()!r} instead of {word}: {text[:60]!r}"
        for text in prose(page)
        for pattern, word in REPLACED.items()
        for match in re.finditer(rf"\b{pattern}\b", text, re.IGNORECASE)
    ]
    assert found == []


def test_prose_is_what_stands_outside_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\nb `c`\nd **e**.\n\n```sh\nf\n```\n\n| g | h |\n|---|---|\n| i | `j` |\n")
    assert [text for text in prose(page) if text] == ["A", "b  d e.", "g", "h", "i"]
