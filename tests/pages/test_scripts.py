"""The site's scripts add nothing to what all objects have."""

import re
from pathlib import Path

import pytest

from aiWriting.environment import BASE_DIR

pytestmark = pytest.mark.once

SCRIPTS = sorted(path for app in ("aiWriting", "apps") for path in (BASE_DIR / app).rglob("static/**/*.js"))
#: Ways to write a property whose name comes from elsewhere. Maps, sets, forms and elements have theirs to themselves.
WRITES = re.compile(
    r"""[\w)\]]\[[^\]\n]+\]\s*(?:[-+*/|&?%^]{0,2}|<<|>>>?)=(?![=>])  # an assignment
    | __proto__ | \bprototype\b | \bObject\.(?:assign|defineProperty|fromEntries|setPrototypeOf)\b | \bReflect\b
    | \bfor\s*\([^)]*\sin\s | \$\.extend\b""",
    re.VERBOSE,
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_writes_a_property_whose_name_it_was_given(script: Path) -> None:
    assert [found.group() for found in WRITES.finditer(script.read_text())] == []


@pytest.mark.parametrize(
    ("text", "is_write"),
    [
        ("found[name] = 1", True),
        ("found.of[a + b] ||= {}", True),
        ("of(x)[name]=1", True),
        ("found.__proto__", True),
        ("for (const name in answer) {", True),
        ("Object.assign(options, JSON.parse(text))", True),
        ("const [first] = Object.values(answer).flat()", False),
        ("if (rows[at] === row)", False),
        ("rows.filter(row => row[at] => 1)", False),
        ("const { total } = item.dataset", False),
    ],
)
def test_such_writes_are_known(text: str, is_write: bool) -> None:
    assert bool(WRITES.search(text)) is is_write
