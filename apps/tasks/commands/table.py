"""Tables of a terminal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.tasks.commands.screen import BOLD, Screen, cut, shown, width_of

GAP = "  "
#: Columns that a cell takes in a pipe, at most. One of a terminal is cut to its width.
LONGEST = 300
#: Columns that a column keeps, however narrow the terminal is.
NARROWEST = 8


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Parameters:
      title: Its heading.
      is_number: Whether its cells stand at its right side.
      gives_way: Whether it is cut first where the terminal is narrow.
      styles: Returns the colours of a cell.
    """

    title: str
    is_number: bool = False
    gives_way: bool = False
    styles: Callable[[str], Sequence[int]] = lambda cell: ()


def write(screen: Screen, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
    """Write a heading and a line for each row. It fits into the terminal, if the least widths of its columns do."""
    cells = [[cut(shown(cell), LONGEST) for cell in row] for row in rows]
    widths = [
        max([width_of(column.title), *map(width_of, texts)])
        for column, texts in zip(columns, zip(*cells, strict=True) if cells else [()] * len(columns), strict=True)
    ]
    if screen.width is not None:
        _narrow(widths, columns, screen.width)
    screen.line(_line([screen.painted(*_head(column, width)) for column, width in zip(columns, widths, strict=True)]))
    for row in cells:
        painted = [
            screen.painted(_fitted(cell, column, width), *column.styles(cell))
            for cell, column, width in zip(row, columns, widths, strict=True)
        ]
        screen.line(_line(painted))


def _head(column: Column, width: int) -> tuple[str, int]:
    return _fitted(column.title, column, width), BOLD


def _fitted(cell: str, column: Column, width: int) -> str:
    text = cut(cell, width)
    room = " " * (width - width_of(text))
    return room + text if column.is_number else text + room


def _line(cells: list[str]) -> str:
    return GAP.join(cells).rstrip()


def _narrow(widths: list[int], columns: Sequence[Column], width: int) -> None:
    """Take from the columns that give way, then from the other ones with texts, until all fit. Numbers stay whole."""
    first = [number for number, column in enumerate(columns) if column.gives_way]
    then = [number for number, column in enumerate(columns) if not column.is_number and not column.gives_way]
    for giving in (first, then):
        while giving and sum(widths) + len(GAP) * (len(widths) - 1) > width:
            widest = max(giving, key=lambda number: widths[number])
            if widths[widest] <= NARROWEST:
                break
            widths[widest] -= 1
