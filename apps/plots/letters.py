"""The widths of texts, estimated without a font: a page's font is the browser's."""

import unicodedata
from itertools import accumulate

#: Width of a character as a part of the letters' size: of a wide one (Han, kana, emoji), a capital, and another.
WIDE, CAPITAL, OTHER = 1.05, 0.74, 0.62
#: Factor by which bold letters are wider.
BOLD = 1.08
ELLIPSIS = "…"
#: Number of characters that are measured. No plot has room for more.
MAX_LENGTH = 300


def width(text: str, *, size: float, bold: bool = False) -> float:
    """Return the width of the text in points. Few texts are wider."""
    return sum(map(_part, text[:MAX_LENGTH])) * size * (BOLD if bold else 1)


def fitted(text: str, *, size: float, points: float, bold: bool = False) -> str:
    """Return the text on one line, cut and ended with "…" where it is wider than `points`."""
    text = " ".join(text[:MAX_LENGTH].split())
    if width(text, size=size, bold=bold) <= points:
        return text
    room = points - width(ELLIPSIS, size=size, bold=bold)
    ends = accumulate(width(character, size=size, bold=bold) for character in text)
    return text[: sum(end <= room for end in ends)].rstrip() + ELLIPSIS


def _part(character: str) -> float:
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return WIDE
    return CAPITAL if character.isupper() else OTHER
