"""Plots as reportlab drawings, for PDF and, from there, for PNG."""

from collections.abc import Iterable
from typing import Any

from reportlab.graphics.shapes import Circle, Drawing, Polygon, PolyLine, Rect, String
from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth

from apps.plots import faces
from apps.plots.marks import Area, Bar, Dot, Label, Line, Mark, Plot, Point, Role, Target

#: The colours on paper. The style sheet of the report as a page has the same, and those of the dark.
COLOURS = {
    Role.INK: HexColor("#22252a"),
    Role.MUTED: HexColor("#667080"),
    Role.GRID: HexColor("#e3e6ea"),
    Role.MAIN: HexColor("#2f6f73"),
    Role.SOFT: HexColor("#e4eeed"),
    Role.SECOND: HexColor("#c8792b"),
}
#: From the middle of a line of text to its baseline, as a part of the letters' size.
BASELINE = 0.34


def drawing(plot: Plot) -> Drawing:
    """Return the plot as a drawing of the same size in points."""
    return Drawing(plot.width, plot.height, *(shape for mark in plot.marks for shape in _shapes(mark, plot.height)))


def _shapes(mark: Mark, height: float) -> list[Any]:
    """Return the mark as reportlab's shapes, whose y goes up from the bottom of a plot of this height."""
    if isinstance(mark, Target):
        return _shapes(mark.mark, height) if mark.mark else []
    colour = COLOURS[mark.role]
    filled = {"fillColor": colour, "strokeColor": None}
    match mark:
        case Bar():
            return [Rect(mark.x, height - mark.y - mark.height, mark.width, mark.height, rx=1, ry=1, **filled)]
        case Dot():
            return [Circle(mark.x, height - mark.y, mark.radius, **filled)]
        case Area():
            return [Polygon(_flat(mark.points, height), **filled)]
        case Line():
            dashes = [3, 2] if mark.dashed else None
            stroke = {"strokeColor": colour, "strokeWidth": mark.width, "strokeLineJoin": 1, "strokeDashArray": dashes}
            return [PolyLine(_flat(mark.points, height), **stroke)]
        case Label():
            return _strings(mark, height)


def _strings(label: Label, height: float) -> list[String]:
    """Return a string for each font that the text needs."""
    runs = faces.runs(label.text, bold=label.bold)
    widths = [stringWidth(run.text, run.font, label.size) for run in runs]
    x = label.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * sum(widths)
    y = height - label.y - BASELINE * label.size
    style = {"fontSize": label.size, "fillColor": COLOURS[label.role]}
    strings = []
    for run, width in zip(runs, widths, strict=True):
        strings.append(String(x, y, run.text, fontName=run.font, **style))
        x += width
    return strings


def _flat(points: Iterable[Point], height: float) -> list[float]:
    return [number for x, y in points for number in (x, height - y)]
