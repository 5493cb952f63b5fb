"""The stream that a subcommand writes to: a terminal, or a file or pipe."""

import json
import os
import shutil
import unicodedata
from collections.abc import Iterable
from typing import Any

from django.core.management.base import OutputWrapper

RED, GREEN, YELLOW, CYAN, DIM, BOLD = 31, 32, 33, 36, 2, 1
#: Categories of characters that steer a terminal, or that change the order of others.
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
#: Format characters that only join their neighbours: those of emoji and of Persian and Indic words.
JOINERS = {"\u200c", "\u200d"}
#: Columns of a terminal that does not tell its width.
WIDTH = 80


class Screen:
    """Writes lines for people, or JSON for programs.

    Parameters:
      as_json: Whether the lines are JSON.
    """

    def __init__(self, out: OutputWrapper, *, as_json: bool = False) -> None:
        self.out = out
        self.as_json = as_json
        self.is_terminal = out.isatty()
        self.is_coloured = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._encoding = getattr(out, "encoding", None) or "utf-8"

    @property
    def width(self) -> int | None:
        """Columns of the terminal. None: it is none, and lines may have any length."""
        return shutil.get_terminal_size((WIDTH, 24)).columns if self.is_terminal else None

    def line(self, text: str = "") -> None:
        """Write a line that was put together of shown and painted parts."""
        self.write(f"{text}\n")

    def write(self, text: str) -> None:
        # A stream in ASCII gets `\xe9`, not an error.
        self.out.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding), ending="")

    def flush(self) -> None:
        self.out.flush()

    def json(self, value: dict[str, Any]) -> None:
        """Write one object in a line of ASCII."""
        self.line(json.dumps(value, default=str).replace("\x7f", "\\u007f"))

    def painted(self, text: str, *styles: int) -> str:
        """Return the text in colours and weights, if this terminal has them."""
        if not self.is_coloured or not styles or not text:
            return text
        return f"\x1b[{';'.join(map(str, styles))}m{text}\x1b[0m"


def shown(text: Any) -> str:
    """Return a text in one line in which no character steers the terminal: these are written as escapes."""
    found = str(text)
    if found.isascii() and found.isprintable():
        return found
    return "".join(map(_shown, found))


def shown_lines(text: Any) -> list[str]:
    """Return the lines of a text, each as `shown`."""
    return [shown(line) for line in str(text).split("\n")]


def _shown(character: str) -> str:
    if unicodedata.category(character) in STEERING and character not in JOINERS:
        return character.encode("unicode_escape").decode()
    return character


def width_of(text: str) -> int:
    """Return the columns that a shown text takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return the beginning of a shown text that fits into the columns, with an ellipsis if a part is missing."""
    if len(text) <= columns and width_of(text) <= columns:
        return text
    found, taken = [], 0
    for character in text:
        taken += _width(character)
        if taken > columns - 1:
            break
        found.append(character)
    return "".join(found) + "…" if columns > 0 else ""


def joined(parts: Iterable[str]) -> str:
    """Return the parts that are not empty, in a line."""
    return "  ".join(part for part in parts if part)
