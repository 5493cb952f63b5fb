"""A text that is built from the paragraphs of a file."""

import re
from collections.abc import Iterable

from apps.documents.analysis import structure

_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_AROUND_LINE_END = re.compile(r" ?\n ?")
#: A note's mark, after a word. After a digit or one or two letters a raised number is a power: "m2".
_NOTE_MARK = re.compile(r"[\[(]?(?:\d{1,4}|[*\u2020\u2021\u00a7]+)[\])]?")
_LINKED_MARK = re.compile(r"[\[(](?:\d{1,4}|[^\W\d_]|[*\u2020\u2021\u00a7]+)[\])]|(?P<raised>[^\W\d_])")
_BEFORE_NOTE = re.compile(r"(?<![^\W\d])[^\W\d]{3,}+[.,;:!?…\"'”\u2019»)]*+$|[.,;:!?…\"'”\u2019»)]$")


class Blocks:
    """Collects paragraphs and headings. In the text, each stands between empty lines.

    White space collapses to one space, as on a web page. Only `line_end` begins a new line.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.pieces: list[str] = []
        #: Marks of the next paragraph.
        self.mark = ""

    def heading(self, level: int, label: str = "") -> None:
        """Mark the paragraph, or the next one, as a heading or several. Parameters: As `structure.mark`."""
        self.mark += structure.mark(level, label)

    def add(self, text: str) -> None:
        """Add text to the paragraph."""
        self.pieces.append(_SPACES.sub(" ", text))

    def add_as_it_is(self, text: str) -> None:
        """Add lines to the paragraph, with their line ends."""
        self.pieces.append(text)

    def drop_note_mark(self, start: int, *, is_raised: bool, is_link: bool = False) -> None:
        """Drop the pieces from an index on if they are the mark of a note.

        Parameters:
          is_raised: Whether they are in superscript.
          is_link: Whether they are a link within the file.
        """
        pieces = self.pieces
        told = "".join(pieces[start:]).strip()
        linked = _LINKED_MARK.fullmatch(told) if is_link else None
        if (linked and (is_raised or not linked["raised"])) or (
            is_raised
            and start
            and _NOTE_MARK.fullmatch(told)
            and _BEFORE_NOTE.search("".join(pieces[max(0, start - 3) : start])[-40:])
        ):
            del pieces[start:]

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
    text = "".join(pieces)
    if "  " in text:
        text = re.sub(r" {2,}", " ", text)
    if "\n" in text:
        text = _AROUND_LINE_END.sub("\n", text)
    return text.strip(" \n")
