"""Plots as SVG inside a page. Colours are classes of the page's style sheet, so they follow light and dark."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from django.utils.safestring import SafeString, mark_safe

from apps.projects.reports.marks import Area, Bar, Dot, Label, Line, Mark, Plot


def markup(plot: Plot, *, variant: str) -> SafeString:
    """The plot as an `svg` element that grows with its place.

    Parameters:
      variant: "wide" or "narrow": the style sheet shows one of the two.
    """
    identity = f"{plot.name}-{variant}"
    root = Element(
        "svg",
        {
            "class": f"plot {variant}",
            "viewBox": f"0 0 {_number(plot.width)} {_number(plot.height)}",
            "role": "img",
            "aria-labelledby": f"{identity}-title {identity}-description",
        },
    )
    SubElement(root, "title", {"id": f"{identity}-title"}).text = plot.title
    SubElement(root, "desc", {"id": f"{identity}-description"}).text = _shown(plot.description)
    for mark in plot.marks:
        _add(root, mark)
    return mark_safe(ElementTree.tostring(root, encoding="unicode"))  # noqa: S308 (ElementTree escapes what it writes)


def _add(root: Element, mark: Mark) -> None:
    match mark:
        case Bar():
            place = {"x": mark.x, "y": mark.y, "width": mark.width, "height": mark.height, "rx": 1}
            _hinted(SubElement(root, "rect", _attributes(f"fill-{mark.role}", place)), mark.hint)
        case Dot():
            place = {"cx": mark.x, "cy": mark.y, "r": mark.radius}
            _hinted(SubElement(root, "circle", _attributes(f"fill-{mark.role}", place)), mark.hint)
        case Area():
            SubElement(root, "polygon", {"class": f"fill-{mark.role}", "points": _points(mark.points)})
        case Line():
            line = {"class": f"line-{mark.role}", "points": _points(mark.points), "stroke-width": _number(mark.width)}
            SubElement(root, "polyline", line | ({"stroke-dasharray": "3 2"} if mark.dashed else {}))
        case Label():
            text = _attributes(f"fill-{mark.role}", {"x": mark.x, "y": mark.y, "font-size": mark.size})
            text |= {"text-anchor": mark.anchor} | ({"font-weight": "600"} if mark.bold else {})
            # Of a name in Arabic only the name runs from right to left, not its place.
            SubElement(root, "text", text | {"unicode-bidi": "plaintext"}).text = _shown(mark.text)


def _attributes(name: str, numbers: dict[str, float]) -> dict[str, str]:
    return {"class": name, **{key: _number(value) for key, value in numbers.items()}}


def _hinted(element: Element, hint: str) -> None:
    if hint:
        SubElement(element, "title").text = _shown(hint)


def _points(points: tuple[tuple[float, float], ...]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _shown(text: str) -> str:
    """Without the control characters that no page may have."""
    return "".join(character for character in text if character >= " " and character != "\x7f")
