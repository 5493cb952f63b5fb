"""Colours, measures and paragraphs of the PDF."""

from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Flowable, Paragraph

from apps.plots import faces, paper
from apps.plots.marks import Role

#: Margins on the sides, and above and below.
MARGIN, HEAD = 54.0, 46.0
WIDTH = A4[0] - 2 * MARGIN

INK, MUTED, MAIN, SECOND, EDGE = (
    paper.COLOURS[role] for role in (Role.INK, Role.MUTED, Role.MAIN, Role.SECOND, Role.GRID)
)
BAD = HexColor("#b3362b")


def style(size: float, **values: Any) -> ParagraphStyle:
    """Return a paragraph's style. Keywords are reportlab's."""
    defaults = {"fontName": faces.load(faces.REGULAR), "fontSize": size, "leading": size * 1.35, "textColor": INK}
    return ParagraphStyle(f"size {size}", **{**defaults, **values})


def text(content: str, size: float, *, bold: bool = False, **values: Any) -> Paragraph:
    """Return a paragraph of plain text."""
    return Paragraph(faces.markup(content, bold=bold), style(size, **values))


def coloured(content: str, colour: Any) -> str:
    """Return plain text as a paragraph's markup in a colour."""
    return f"<font color='{colour.hexval().replace('0x', '#')}'>{faces.markup(content)}</font>"


def heading(title: str) -> Flowable:
    """Return the heading of a section."""
    return text(title, 12.5, bold=True, spaceAfter=1)
