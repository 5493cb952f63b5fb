"""The table of languages and figures in the docs is that of the code."""

import re
from pathlib import Path

from apps.documents.analysis import dialogue, readability
from apps.documents.analysis.scripts import WITHOUT_SPACES

PAGE = Path(__file__).parents[2] / "docs" / "manuscripts.md"


def test_the_docs_name_the_figures_of_each_language() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()]
    table = {code: row for row in rows if len(row) == 7 for code in re.findall(r"\b[a-z]{2}\b", row[0])}
    named = {code: row for code, row in table.items() if row[0] != "any other"}
    assert {code for code, row in named.items() if row[5] == "yes"} == dialogue.LANGUAGES
    assert {code for code, row in named.items() if row[6] != "null"} == readability.EASE.keys()
    assert [code for code, row in named.items() if row[6] == "yes"] == ["en"]
    assert {code for code, row in named.items() if row[1] == "characters"} == {*WITHOUT_SPACES}
