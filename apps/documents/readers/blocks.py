"""A text that is built from the paragraphs of a file."""

import re
from collections.abc import Iterable

from apps.documents.analysis import structure

_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_AROUND_LINE_END = re.compile(r" ?\n ?")


class Blocks:
    """Collects paragraphs and headings. In the text, each stands between empty lines.

    White space collapses to one space, as on a web page. Only `line_end` begins a new line.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.pieces: list[str] = []
        #: Mark of the next paragraph.
        self.mark = ""

    def heading(self, level: int, label: str = "") -> None:
        """Mark the paragraph, or the next one, as a heading. Parameters: As `structure.mark`."""
        self.mark = structure.mark(level, label)

    def add(self, text: str) -> None:
        """Add text to the paragraph."""
        self.pieces.append(_SPACES.sub(" ", text))

    def add_as_it_is(self, text: str) -> None:
        """Add lines to the paragraph, with their line ends."""
        self.pieces.append(text)

    def line_end(self) -> None:
        self.pieces.append("\n")

    def end(self) -> str:
        """End the paragraph and return it. Empty: there was none."""
        text = joined(self.pieces)
        self.pieces = []
        if text:
            self.done.append(f"{self.mark}{text}")
            self.mark = ""
        return text

    def text(self) -> str:
        self.end()
        return "\n\n".join(self.done) + "\n" if self.done else ""


def joined(pieces: Iterable[str]) -> str:
    """Join the pieces of a paragraph, without double spaces and without spaces at the ends of lines."""
    text = re.sub(r" {2,}", " ", "".join(pieces))
    return _AROUND_LINE_END.sub("\n", text).strip(" \n")
