"""Plots as reportlab drawings, for PDF and, from there, for PNG."""

import io
from itertools import pairwise
from typing import Any

from reportlab.graphics import renderPDF
from reportlab.graphics.shapes import Circle, Drawing, Polygon, PolyLine, Rect, String
from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from apps.projects.reports import faces
from apps.projects.reports.marks import Area, Bar, Dot, Label, Line, Mark, Plot, Role

#: The colours on paper. `report.css` has the same, and those of the dark.
COLOURS = {
    Role.INK: HexColor("#22252a"),
    Role.MUTED: HexColor("#667080"),
    Role.GRID: HexColor("#e3e6ea"),
    Role.MAIN: HexColor("#2f6f73"),
    Role.SOFT: HexColor("#e4eeed"),
    Role.SECOND: HexColor("#c8792b"),
}


def drawing(plot: Plot) -> Drawing:
    """The plot as a drawing of the same size in points."""
    drawn = Drawing(plot.width, plot.height)
    for mark in plot.marks:
        for shape in _shapes(mark, height=plot.height):
            drawn.add(shape)
    return drawn


def page(plot: Plot, *, margin: float) -> bytes:
    """The plot as a PDF with one page, which is no larger than the plot and its margins."""
    target = io.BytesIO()
    drawn = drawing(plot)
    with faces.pdf_lock:
        canvas = Canvas(target, pagesize=(plot.width + 2 * margin, plot.height + 2 * margin))
        renderPDF.draw(drawn, canvas, margin, margin)
        canvas.save()
    return target.getvalue()


def _shapes(mark: Mark, *, height: float) -> list[Any]:
    colour = COLOURS[mark.role]
    match mark:
        case Bar():
            y = height - mark.y - mark.height
            return [Rect(mark.x, y, mark.width, mark.height, rx=1, ry=1, fillColor=colour, strokeColor=None)]
        case Line():
            points = _flat(mark.points, height=height)
            dashes = [3, 2] if mark.dashed else None
            return [
                PolyLine(points, strokeColor=colour, strokeWidth=mark.width, strokeDashArray=dashes, strokeLineJoin=1)
            ]
        case Area():
            return [Polygon(_flat(mark.points, height=height), fillColor=colour, strokeColor=None)]
        case Dot():
            return [Circle(mark.x, height - mark.y, mark.radius, fillColor=colour, strokeColor=None)]
        case Label():
            return strings(mark, y=height - mark.y)


def strings(label: Label, *, y: float) -> list[Any]:
    """A string for each font that the text needs, standing on y, which goes up here."""
    runs = faces.runs(label.text, bold=label.bold)
    widths = [stringWidth(run.text, run.font, label.size) for run in runs]
    x = label.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * sum(widths)
    strings = []
    for run, width in zip(runs, widths, strict=True):
        strings.append(String(x, y, run.text, fontName=run.font, fontSize=label.size, fillColor=COLOURS[label.role]))
        x += width
    return strings


def _flat(points: tuple[tuple[float, float], ...], *, height: float) -> list[float]:
    """As reportlab wants them; it cannot draw a line between two points at the same place."""
    kept = [points[0], *(point for before, point in pairwise(points) if point != before)]
    return [number for x, y in (kept if len(kept) > 1 else points) for number in (x, height - y)]
