"""The letters of PDF and PNG: a font for each script, right to left where it is so written.

HTML leaves this to the browser, which has more fonts than anybody could embed.
"""

import io
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

import arabic_reshaper
import bidi
import pymupdf_fonts
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from apps.projects import fonts

#: The main face, which has Latin, Greek, Cyrillic, Georgian and Thai.
REGULAR, BOLD = "FiraGO", "FiraGO-Bold"
#: What the main face has not.
OTHERS = ("DejaVuSans", "WenQuanYiMicroHei")
#: Stands for a character that no font has.
MISSING = "\N{WHITE SQUARE}"
ELLIPSIS = "…"

#: Scripts whose letters must be put together, which none of the libraries does here: better none than wrong ones.
_UNSHAPED = re.compile("[\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
#: Letters that join their neighbours: the main face has them alone only.
_JOINED = re.compile("[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff]")

_SOURCES: dict[str, Callable[[], Any]] = {
    REGULAR: lambda: io.BytesIO(pymupdf_fonts.myfont("figo")),
    BOLD: lambda: io.BytesIO(pymupdf_fonts.myfont("figbo")),
    "DejaVuSans": lambda: str(fonts.DEJAVU_SANS),
    "WenQuanYiMicroHei": lambda: str(fonts.WQY_MICRO_HEI),
}
_faces: dict[str, Any] = {}
_load_lock = threading.Lock()

#: To be held while a PDF is made: a font of reportlab's reads its file with one cursor, whichever thread asks.
pdf_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Run:
    """Characters that are drawn one after the other with one font."""

    font: str
    text: str


def _face(name: str) -> Any:
    """The characters that a font has. It is loaded when the first text needs it."""
    if name not in _faces:
        with _load_lock:
            if name not in _faces:
                font = TTFont(name, _SOURCES[name]())
                pdfmetrics.registerFont(font)
                _faces[name] = font.face.charToGlyph
    return _faces[name]


def load(name: str) -> str:
    """Make a font known to reportlab. Returns its name."""
    _face(name)
    return name


def runs(text: str, *, bold: bool = False) -> list[Run]:
    """The text as it is drawn from left to right, in pieces of one font each; `MISSING` where no font has one."""
    main = load(BOLD if bold else REGULAR)
    pieces = ((_font(character, main=main), character) for character in _visual(text))
    return [
        Run(font=font or load(OTHERS[0]), text="".join(character if font else MISSING for _, character in group))
        for font, group in groupby(pieces, key=lambda piece: piece[0])
    ]


def is_complete(text: str) -> bool:
    """Whether the fonts have all characters of the text."""
    return all(_font(character, main=REGULAR) for character in _visual(text))


def width(text: str, *, size: float, bold: bool = False) -> float:
    """How wide the text is, in points."""
    return float(sum(pdfmetrics.stringWidth(run.text, run.font, size) for run in runs(text, bold=bold)))


def fitted(text: str, *, size: float, points: float, bold: bool = False) -> str:
    """The text, or its beginning and "…" where it is wider than so many points."""
    if width(text, size=size, bold=bold) <= points:
        return text
    shortest, longest = 0, min(len(text), 200)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if width(text[:middle].rstrip() + ELLIPSIS, size=size, bold=bold) <= points:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest].rstrip() + ELLIPSIS


def is_right_to_left(text: str) -> bool:
    """Whether some of it is written from right to left."""
    return bool(_RIGHT_TO_LEFT.search(text))


def markup(text: str, *, bold: bool = False) -> str:
    """The text for a reportlab paragraph."""
    return "".join(f'<font name="{run.font}">{escape(run.text)}</font>' for run in runs(text, bold=bold))


def _visual(text: str) -> str:
    """The characters that are drawn, in the order in which they are, Arabic letters joined."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if is_right_to_left(text):
        text = str(bidi.get_display(arabic_reshaper.reshape(text)))
    return "".join(_drawn(text))


def _drawn(text: str) -> Iterator[str]:
    """Without what is not seen: joiners, selectors of variants, skin tones, marks of direction, control characters."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf") or "\ufe00" <= character <= "\ufe0f":
            continue
        if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0000" <= character <= "\U000e0fff":
            continue
        yield character


def _font(character: str, *, main: str) -> str | None:
    code = ord(character)
    if _UNSHAPED.match(character):
        return None
    if code in _face(main) and not _JOINED.match(character):
        return main
    return next((name for name in OTHERS if code in _face(name)), None)
