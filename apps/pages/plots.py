"""Plots of a text, chapter by chapter, as the geometry of an SVG that is as wide as its place.

All lengths are per cent of the drawing, so that bars are stretched with the page, and letters and lines are not.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Few chapters are drawn as if there were so many, since a bar as wide as the page says nothing.
MIN_SLOTS = 10
#: About so many lines lie across a plot.
LINES = 4
#: What a bar leaves free of its chapter's place; of many chapters none does, or nothing would be left of it.
GAP = 0.25
GAPLESS_FROM = 150


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line across the plot.

    Parameters:
      y: From the top.
      label: What it stands for.
    """

    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What is drawn of one chapter.

    Parameters:
      x, width: Its place.
      bar_x, bar_width: The bar in it.
      y: The figure, from the top; None where there is none.
      label: Which chapter it is, and its figure.
    """

    x: float
    width: float
    bar_x: float
    bar_width: float
    y: float | None
    label: str

    @property
    def height(self) -> float:
        return 0 if self.y is None else round(100 - self.y, 3)

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 3)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One plot.

    Parameters:
      summary: What it shows, for those who cannot see it.
      lines: From the bottom to the top.
      trend: Pairs of neighbours that a line joins; none for bars.
      is_dotted: Whether its marks are dots; else they are bars.
    """

    title: str
    summary: str
    marks: Sequence[Mark]
    lines: Sequence[Line]
    trend: Sequence[tuple[Mark, Mark]] = ()
    is_dotted: bool = False


def bars(
    *,
    title: str,
    values: Sequence[float | None],
    labels: Sequence[str],
    written: Callable[[float], str],
    scale: Callable[[float], str],
    top: float | None = None,
) -> Plot:
    """A bar a chapter, from 0 up.

    Parameters:
      values: A figure a chapter; None where there is none.
      labels: The chapters' names.
      written: How a figure is written, with its unit.
      scale: How it is written at the scale.
      top: What the full height stands for. None: a round number that is enough.
    """
    highest = max((value for value in values if value is not None), default=0)
    step = round_step((top or highest) / LINES)
    top = top or step * math.ceil(highest / step) or step
    return Plot(
        title=title,
        summary=_summary(values, labels=labels, written=written),
        marks=_marks(values, labels=labels, written=written, bottom=0, top=top),
        lines=[
            Line(y=_y(index * step, bottom=0, top=top), label=scale(index * step))
            for index in range(int(top / step + 1e-9) + 1)
        ],
    )


def dots(
    *,
    title: str,
    values: Sequence[float | None],
    labels: Sequence[str],
    written: Callable[[float], str],
    guides: Sequence[tuple[float, str]],
) -> Plot:
    """A dot a chapter, joined by a line; for figures whose 0 means little.

    Parameters:
      guides: Figures that mean something, and what. Those near the dots are drawn across the plot.
    """
    known = [value for value in values if value is not None]
    lowest, highest = min(known, default=0), max(known, default=0)
    margin = max((highest - lowest) / 12, 1)
    bottom, top = lowest - margin, highest + margin
    marks = _marks(values, labels=labels, written=written, bottom=bottom, top=top)
    return Plot(
        title=title,
        summary=_summary(values, labels=labels, written=written),
        marks=marks,
        lines=[
            Line(y=_y(value, bottom=bottom, top=top), label=label) for value, label in guides if bottom <= value <= top
        ],
        trend=[(one, other) for one, other in pairwise(marks) if one.y is not None and other.y is not None],
        is_dotted=True,
    )


def round_step(rough: float) -> float:
    """The next 1, 2 or 5 times a power of ten that is not below."""
    if rough <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(rough))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= rough * (1 - 1e-9)), power * 10)


def _y(value: float, *, bottom: float, top: float) -> float:
    return round(100 * (1 - (min(max(value, bottom), top) - bottom) / (top - bottom)), 3)


def _marks(
    values: Sequence[float | None],
    *,
    labels: Sequence[str],
    written: Callable[[float], str],
    bottom: float,
    top: float,
) -> list[Mark]:
    width = 100 / max(len(values), MIN_SLOTS)
    gap = GAP * width if len(values) < GAPLESS_FROM else 0
    return [
        Mark(
            x=round(index * width, 3),
            width=round(width, 3),
            bar_x=round(index * width + gap / 2, 3),
            bar_width=round(width - gap, 3),
            y=None if value is None else _y(value, bottom=bottom, top=top),
            label=f"{label}: {'no figure' if value is None else written(value)}",
        )
        for index, (value, label) in enumerate(zip(values, labels, strict=True))
    ]


def _summary(values: Sequence[float | None], *, labels: Sequence[str], written: Callable[[float], str]) -> str:
    known = [(value, label) for value, label in zip(values, labels, strict=True) if value is not None]
    if not known:
        return "There are no figures."
    (low, low_label), (high, high_label) = (found(known, key=lambda pair: pair[0]) for found in (min, max))
    return f"From {written(low)} ({low_label}) to {written(high)} ({high_label})"
