"""Each decision is a page of one form, and the index lists them all."""

import re

from tests.docs.pages import DOCS

FOLDER = DOCS / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
FORM = re.compile(
    r"# (?P<number>\d{4}) (?P<title>.+)\n\n- Date: (?P<date>\d{4}-\d\d-\d\d)\n- Status: (?P<status>.+)\n\n"
    r"## Context\n\n.+\n\n## Decision\n\n.+",
    flags=re.DOTALL,
)


def test_the_index_lists_every_decision_with_its_title_date_and_status() -> None:
    lines = re.findall(r"^\| (\[\d{4} .*) \|$", (FOLDER / "README.md").read_text(), flags=re.MULTILINE)
    expected = []
    for page in PAGES:
        found = FORM.match(page.read_text())
        assert found, page.name
        expected.append(f"[{found['number']} {found['title']}]({page.name}) | {found['date']} | {found['status']}")
    assert lines == expected


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [(page.name[:4], page.read_text()[2:6]) for page in PAGES]
    assert numbers == [(f"{number:04d}",) * 2 for number in range(1, len(PAGES) + 1)]
