"""The letters of PDF and PNG: a font for each script, and the direction in which it is written.

HTML leaves this to the browser, which has more fonts than a file can embed.
"""

import io
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import arabic_reshaper
import bidi
import pymupdf_fonts
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

#: Font files that are embedded; `LICENCES.txt` beside them has their licences.
FONTS = Path(__file__).parent / "fonts"
#: The main face, which has Latin, Greek, Cyrillic, Georgian and Thai.
REGULAR, BOLD = "FiraGO", "FiraGO-Bold"
#: Faces for the rest. DejaVu has Arabic with its joined forms, Hebrew, symbols and some emoji; WenQuanYi has Chinese,
#: Japanese and Korean.
OTHERS = ("DejaVuSans", "WenQuanYiMicroHei")
#: Stands for a character that no font has.
MISSING = "\N{WHITE SQUARE}"
ELLIPSIS = "…"

#: Scripts whose letters must be put together. No library here does it, and wrong letters are worse than none.
_UNSHAPED = re.compile("[\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
#: Letters that join their neighbours. The main face has only their isolated forms.
_JOINED = re.compile("[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff]")

_SOURCES: dict[str, Callable[[], Any]] = {
    REGULAR: lambda: io.BytesIO(pymupdf_fonts.myfont("figo")),
    BOLD: lambda: io.BytesIO(pymupdf_fonts.myfont("figbo")),
    "DejaVuSans": lambda: str(FONTS / "DejaVuSans.ttf"),
    "WenQuanYiMicroHei": lambda: str(FONTS / "wqy-microhei.ttc"),
}
_faces: dict[str, Any] = {}
_load_lock = threading.Lock()

#: Held while a PDF is made. A font of reportlab's reads its file with one cursor for all threads.
pdf_lock = threading.Lock()


class Run(NamedTuple):
    """Consecutive characters in one font."""

    font: str
    text: str


def _face(name: str) -> Any:
    """Return the characters that a font has. It is loaded when the first text needs it."""
    if name not in _faces:
        with _load_lock:
            if name not in _faces:
                font = TTFont(name, _SOURCES[name]())
                pdfmetrics.registerFont(font)
                _faces[name] = font.face.charToGlyph
    return _faces[name]


def load(name: str) -> str:
    """Make a font known to reportlab, and return its name."""
    _face(name)
    return name


def runs(text: str, *, bold: bool = False) -> list[Run]:
    """Return the text as it is drawn from left to right, with `MISSING` for characters that no font has."""
    main = load(BOLD if bold else REGULAR)
    pieces = ((_font(character, main=main), character) for character in _visual(text))
    return [
        Run(font=font or load(OTHERS[0]), text="".join(character if font else MISSING for _, character in group))
        for font, group in groupby(pieces, key=lambda piece: piece[0])
    ]


def is_complete(text: str) -> bool:
    """Return whether the fonts have all characters of the text."""
    return all(_font(character, main=REGULAR) for character in _visual(text))


def width(text: str, *, size: float, bold: bool = False) -> float:
    """Return the width of the text in points."""
    return float(sum(pdfmetrics.stringWidth(run.text, run.font, size) for run in runs(text, bold=bold)))


def fitted(text: str, *, size: float, points: float, bold: bool = False) -> str:
    """Return the text, cut and ended with "…" where it is wider than `points`."""
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
    """Return whether some of the text is written from right to left."""
    return bool(_RIGHT_TO_LEFT.search(text))


def markup(text: str, *, bold: bool = False) -> str:
    """Return the text as markup of a reportlab paragraph."""
    return "".join(f'<font name="{run.font}">{escape(run.text)}</font>' for run in runs(text, bold=bold))


def _visual(text: str) -> str:
    """Return the characters in the order in which they are drawn, with Arabic letters joined."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if is_right_to_left(text):
        text = str(bidi.get_display(arabic_reshaper.reshape(text)))
    return "".join(_drawn(text))


def _drawn(text: str) -> Iterator[str]:
    """Yield the visible characters: no joiners, selectors of variants, skin tones, marks of direction or controls."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf") or "\ufe00" <= character <= "\ufe0f":
            continue
        if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0000" <= character <= "\U000e0fff":
            continue
        yield character


def _font(character: str, *, main: str) -> str | None:
    """Return the font that draws a character; None where no font has it."""
    code = ord(character)
    if _UNSHAPED.match(character):
        return None
    if code in _face(main) and not _JOINED.match(character):
        return main
    return next((name for name in OTHERS if code in _face(name)), None)
