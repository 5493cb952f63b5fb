"""Plots as SVG inside a page. Colours are classes of the page's style sheet, so they follow light and dark."""

from collections.abc import Iterable
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from apps.plots.marks import Area, Bar, Dot, Label, Line, Mark, Plot, Target


def scaled(plot: Plot, *, variant: str) -> str:
    """Return an `svg` element that grows as a whole, with its letters.

    Parameters:
      variant: A class and a suffix of ids, for a page that has the plot at several widths and shows one.
    """
    title, description = (f"{plot.name}-{variant}-{part}" for part in ("title", "description"))
    box = f"0 0 {_number(plot.width)} {_number(plot.height)}"
    labels = {"role": "img", "aria-labelledby": f"{title} {description}"}
    root = Element("svg", {"class": f"plot {variant}", "viewBox": box, **labels})
    SubElement(root, "title", {"id": title}).text = _visible(plot.title)
    SubElement(root, "desc", {"id": description}).text = _visible(plot.description)
    return _markup(root, plot.marks, unit="")


def shapes(plot: Plot) -> str:
    """Return an SVG file of the marks without texts. Its `style` is empty: whoever sets the texts has the colours."""
    size = _lengths(width=plot.width, height=plot.height)
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg"} | size)
    SubElement(root, "style")
    drawn = (mark.mark if isinstance(mark, Target) else mark for mark in plot.marks)
    return _markup(root, (mark for mark in drawn if mark and not isinstance(mark, Label)), unit="")


def fluid(plot: Plot) -> str:
    """Return an `svg` element whose marks stretch with the page; letters, dots and the width of lines do not.

    The plot's places are in per cent. It has no areas: SVG takes no percentages for the corners of a polygon.
    """
    label = _visible(f"{plot.title}. {plot.description}")
    root = Element("svg", {"class": "drawing", "role": "img", "aria-label": label, "tabindex": "0"})
    return _markup(root, plot.marks, unit="%")


def _markup(root: Element, marks: Iterable[Mark], *, unit: str) -> str:
    for mark in marks:
        _add(root, mark, unit=unit)
    return ElementTree.tostring(root, encoding="unicode")


def _add(parent: Element, mark: Mark, *, unit: str) -> None:
    match mark:
        case Target(hint=hint):
            if hint := _visible(hint):
                parent = SubElement(parent, "g", {"class": "mark", "data-label": hint} if unit else {})
                SubElement(parent, "title").text = hint
                SubElement(parent, "rect", {"class": "target"} | _box(mark, unit))
            if mark.mark:
                _add(parent, mark.mark, unit=unit)
        case Bar():
            SubElement(parent, "rect", {"class": f"fill-{mark.role}"} | _box(mark, unit))
        case Dot():
            place = _lengths(unit, cx=mark.x, cy=mark.y) | _lengths(r=mark.radius)
            SubElement(parent, "circle", {"class": f"fill-{mark.role}"} | place)
        case Area():
            SubElement(parent, "polygon", {"class": f"fill-{mark.role}", "points": _points(mark.points)})
        case Line():
            style = {"class": f"line-{mark.role}", "stroke-width": _number(mark.width)}
            style |= {"stroke-dasharray": "3 2"} if mark.dashed else {}
            if not unit:
                SubElement(parent, "polyline", style | {"points": _points(mark.points)})
                return
            for (x1, y1), (x2, y2) in pairwise(mark.points):
                SubElement(parent, "line", style | _lengths(unit, x1=x1, y1=y1, x2=x2, y2=y2))
        case Label():
            # Of a name in Arabic only the name runs from right to left, not its place.
            style = {"class": f"fill-{mark.role}", "text-anchor": mark.anchor, "unicode-bidi": "plaintext"}
            style |= {"font-size": _number(mark.size), "dy": ".34em"} | ({"font-weight": "600"} if mark.bold else {})
            SubElement(parent, "text", style | _lengths(unit, x=mark.x, y=mark.y)).text = _visible(mark.text)


def _box(mark: Bar | Target, unit: str) -> dict[str, str]:
    return _lengths(unit, x=mark.x, y=mark.y, width=mark.width, height=mark.height)


def _lengths(unit: str = "", **values: float) -> dict[str, str]:
    return {name: _number(value) + unit for name, value in values.items()}


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _visible(text: str) -> str:
    """Return the text without the control characters that no page may have."""
    return "".join(character for character in text if character >= " " and character != "\x7f")
