"""Texts of others in a terminal: shown, and never obeyed."""

from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from apps.tasks.commands import table
from apps.tasks.commands.screen import RED, Screen, cut, shown, width_of
from apps.tasks.commands.table import Column
from tests.terminal import Terminal


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Chapter 3 of 7", "Chapter 3 of 7"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\x00b\x7fc\x9bd", r"a\x00b\x7fc\x9bd"),
        ("one\ntwo\r\nthree\ttab", r"one\ntwo\r\nthree\ttab"),
        ("invoice\u202efdp.exe", r"invoice\u202efdp.exe"),
        ("\u2066\u200f\u061c", r"\u2066\u200f\u061c"),
        ("\ud800", r"\ud800"),
        ("\u2028", r"\u2028"),
        ("héllo 数 \N{FAMILY} \U0001f468\u200d\U0001f469", "héllo 数 \N{FAMILY} \U0001f468\u200d\U0001f469"),
        ("עברית", "עברית"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_no_character_steers_the_terminal(text: str, line: str) -> None:
    assert shown(text) == line


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("数字", 4), ("e\u0301", 1), ("\U0001f600", 2), ("", 0)])
def test_a_text_takes_the_columns_that_a_terminal_gives_it(text: str, columns: int) -> None:
    assert width_of(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "line"),
    [("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("数字数字", 5, "数字…"), ("数字数字", 4, "数…"), ("ab", 0, "")],
)
def test_a_long_text_is_cut_to_columns(text: str, columns: int, line: str) -> None:
    assert cut(text, columns) == line


def test_a_stream_without_the_character_gets_an_escape() -> None:
    class Ascii(StringIO):
        encoding = "ascii"

    out = Ascii()
    Screen(OutputWrapper(out)).line("é")
    assert out.getvalue() == "\\xe9\n"


@pytest.mark.parametrize(
    ("out", "variables", "is_coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (StringIO, {}, False),
    ],
)
def test_colours_are_for_terminals(out, variables, is_coloured, monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    painted = Screen(OutputWrapper(out())).painted("failed", RED)
    assert painted == ("\x1b[31mfailed\x1b[0m" if is_coloured else "failed")


COLUMNS = (Column(title="N", is_number=True), Column(title="NAME"), Column(title="NOTE", gives_way=True))


@pytest.mark.parametrize("columns", [24, 40, 80])
def test_a_table_fits_into_the_terminal(columns: int, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    table.write(Screen(OutputWrapper(out)), COLUMNS, [(1_234, "documents.process", "数" * 50), (5, "x", "short")])
    lines = out.getvalue().splitlines()
    assert max(map(width_of, lines)) <= columns
    assert lines[1].startswith("1234  docum")
    assert lines[2].startswith("   5  x")


def test_a_table_in_a_pipe_has_no_width_but_a_cell_has_an_end() -> None:
    out = StringIO()
    table.write(Screen(OutputWrapper(out)), COLUMNS, [(1, "name", "x" * 1_000_000)])
    assert len(out.getvalue().splitlines()[1]) < 400
