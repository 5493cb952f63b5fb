"""Texts of others as one line of a sentence, a mail or a log."""

import unicodedata
from typing import ClassVar

#: Characters that change the direction of the text around them.
DIRECTIONS = {*map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))}
#: Characters of a line, at most.
LENGTH = 1_000


def one_line(text: str, length: int = LENGTH) -> str:
    """Return a text of others as one line: without control characters, and without changes of direction."""
    text = str(text)
    if len(text) <= length and text.isascii() and text.isprintable():
        return " ".join(text.split())
    # The text may have megabytes. Its end is not looked at.
    start = text[: 4 * length]
    shown = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in start if char not in DIRECTIONS
    )
    line = " ".join(shown.encode(errors="replace").decode().split())
    return line if len(line) <= length and start == text else f"{line[: length - 1]}…"


def sentence(text: str) -> str:
    """Return a text of others as one line that ends as a sentence does."""
    line = one_line(text)
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


class OneLined:
    """A base for frozen dataclasses: each of the texts that `ONE_LINE` names is one line.

    So names of others in a sentence can neither turn nor break it.
    """

    ONE_LINE: ClassVar[tuple[str, ...]] = ("text", "remedy")

    def __post_init__(self) -> None:
        for name in self.ONE_LINE:
            object.__setattr__(self, name, one_line(getattr(self, name)))
