"""Typesetting by typst, from the templates in `paper`, which see no file but themselves.

A template gets its data as JSON, so texts of writers are never markup.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import typst

from apps.plots import svg
from apps.plots.letters import ELLIPSIS
from apps.plots.marks import Label, Plot
from apps.projects.errors import TypesettingError

TEMPLATES = Path(__file__).parent / "paper"
#: Packages of nothing but fonts.
FONTS = ("manimgx_fonts", "manimgx_fonts_cjk")
#: Largest length of a text. typst has no time limit, so the data are bounded.
MAX_LENGTH = 400
#: Stands for what is no character. On some of these typst 0.15 panics.
MISSING = "\N{REPLACEMENT CHARACTER}"
#: Controls, and characters that reverse the text around them.
_UNSET = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
#: The start of a word that is too long for a line. Scripts beyond break anywhere.
_LONG = re.compile(r"([!-\u10ff]{24})(?=\w)")


def typeset(template: str, data: Any, *, kind: Literal["pdf", "png"], made_at: datetime, ppi: float = 72) -> bytes:
    """Return the file that a template makes of the data. The same data and time give the same bytes.

    Raises:
      TypesettingError: typst refused the template or panicked.
    """
    try:
        content = typst.compile(
            TEMPLATES / template,
            root=TEMPLATES,
            font_paths=_fonts(),
            ignore_system_fonts=True,
            sys_inputs={"data": json.dumps(data)},
            format=kind,
            ppi=ppi,
            timestamp=int(made_at.timestamp()),
        )
    except BaseException as error:
        # A panic in Rust is no Exception. Only the task shall fail for it, not its thread.
        if type(error).__name__ in ("PanicException", "TypstError"):
            raise TypesettingError(template, error) from error
        raise
    assert isinstance(content, bytes)
    return content


def plain(text: str) -> str:
    """Return the text on one line, cut at `MAX_LENGTH` and able to break, without characters that cannot be set."""
    text = " ".join(_UNSET.sub(" ", text[: 2 * MAX_LENGTH]).split())
    text = "".join(MISSING if unicodedata.category(one) in ("Cn", "Co") else one for one in text)
    if len(text) > MAX_LENGTH:
        text = text[:MAX_LENGTH].rstrip() + ELLIPSIS
    return _LONG.sub("\\1\u200b", text)


def drawn(plots: Iterable[Plot]) -> list[dict[str, Any]]:
    """Return plots as data of a template. It sets the labels itself: typst sets letters within SVG wrongly."""
    return [
        {
            "title": plain(plot.title),
            "note": plain(plot.note),
            "description": plain(plot.description),
            "width": plot.width,
            "height": plot.height,
            "shapes": svg.shapes(plot),
            "labels": [asdict(mark) | {"text": plain(mark.text)} for mark in plot.marks if isinstance(mark, Label)],
        }
        for plot in plots
    ]


@cache
def _fonts() -> typst.Fonts:
    folders = [str(files(package)) for package in FONTS]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
