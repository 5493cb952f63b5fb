"""A text as it is put together from the paragraphs of a file."""

import re
from collections.abc import Iterable

_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_AROUND_LINE_END = re.compile(r" ?\n ?")


class Blocks:
    """Paragraphs and headings, one after the other, each of which will stand between empty lines.

    White space in them collapses to a space, as it does on a page; `line_end` alone begins a new line.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.pieces: list[str] = []

    def add(self, text: str) -> None:
        """Go on with the paragraph."""
        self.pieces.append(_SPACES.sub(" ", text))

    def add_as_it_is(self, text: str) -> None:
        """Go on with lines whose ends count."""
        self.pieces.append(text)

    def line_end(self) -> None:
        self.pieces.append("\n")

    def end(self) -> str:
        """End the paragraph, if there is one, and return it."""
        text = joined(self.pieces)
        self.pieces = []
        if text:
            self.done.append(text)
        return text

    def text(self) -> str:
        self.end()
        return "\n\n".join(self.done) + "\n" if self.done else ""


def joined(pieces: Iterable[str]) -> str:
    """Pieces of a paragraph as one, without spaces that double where two meet, nor at the ends of lines."""
    text = re.sub(r" {2,}", " ", "".join(pieces))
    return _AROUND_LINE_END.sub("\n", text).strip(" \n")
