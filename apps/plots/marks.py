"""The marks that plots consist of, whatever renders them.

Lengths are in points, or in per cent where the plot is rendered with `svg.fluid`. x goes to the right and y down, from
the upper left corner.
"""

from dataclasses import dataclass
from enum import StrEnum

Point = tuple[float, float]


class Role(StrEnum):
    """The purpose of a mark. Its colour follows from it, in the light and in the dark."""

    INK = "ink"
    MUTED = "muted"
    GRID = "grid"
    MAIN = "main"
    SOFT = "soft"
    SECOND = "second"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    role: Role = Role.MAIN


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A filled circle around a point."""

    x: float
    y: float
    radius: float
    role: Role = Role.MAIN


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line through points."""

    points: tuple[Point, ...]
    role: Role = Role.MAIN
    width: float = 1.5
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Area:
    """The polygon with these corners."""

    points: tuple[Point, ...]
    role: Role = Role.SOFT


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of text.

    Parameters:
      x: Its start, middle or end, as `anchor` says.
      y: The middle of its height.
    """

    x: float
    y: float
    text: str
    anchor: str = "start"
    size: float = 8.5
    role: Role = Role.INK
    bold: bool = False


@dataclass(frozen=True, kw_only=True)
class Target:
    """The rectangle in which a pointer finds a value. Bars and dots alone are too small to be pointed at.

    Parameters:
      hint: The value in words. Empty: a pointer finds nothing.
      mark: The value's mark; None where there is no value, or marks would be too many.
    """

    x: float
    y: float
    width: float
    height: float
    hint: str
    mark: Bar | Dot | None


Mark = Bar | Dot | Line | Area | Label | Target


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A drawing.

    Parameters:
      name: One word, unique on the page.
      description: The content in words, for readers who cannot see it.
    """

    name: str
    title: str
    description: str
    note: str = ""
    width: float
    height: float
    marks: tuple[Mark, ...]
