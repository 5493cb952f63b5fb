"""What plots are made of. Nothing here knows whether it becomes SVG, PDF or PNG.

Lengths are in points; x goes to the right and y down, from the upper left corner.
"""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a mark is for: the colour follows from it, in the light and in the dark."""

    INK = "ink"
    MUTED = "muted"
    GRID = "grid"
    MAIN = "main"
    SOFT = "soft"
    SECOND = "second"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A rectangle. Parameters: hint: What it says to who points at it."""

    x: float
    y: float
    width: float
    height: float
    role: Role = Role.MAIN
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    role: Role = Role.MAIN
    width: float = 1.5
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Area:
    """What lies within points."""

    points: tuple[tuple[float, float], ...]
    role: Role = Role.SOFT


@dataclass(frozen=True, kw_only=True)
class Dot:
    x: float
    y: float
    radius: float = 2
    role: Role = Role.MAIN
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of text; y is where it stands on. Parameters: anchor: start, middle or end, which is where x is."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    size: float = 8.5
    role: Role = Role.INK
    bold: bool = False


Mark = Bar | Line | Area | Dot | Label


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A drawing. Parameters: name: What it is, in a word for ids; description: What it shows, for who cannot see it."""

    name: str
    title: str
    description: str
    note: str = ""
    width: float
    height: float
    marks: tuple[Mark, ...]
