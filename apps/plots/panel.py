"""A panel: the rectangle of a plot in which values stand side by side on a vertical scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from apps.plots.marks import Bar, Dot, Label, Line, Mark, Point, Role, Target
from apps.plots.scale import Scale


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A rectangle with a vertical scale.

    Parameters:
      gap: Distance between the left edge and the labels of the ticks.
      fewest: Number of values that fill the panel at least; fewer leave room on the right.
    """

    left: float
    right: float
    top: float
    bottom: float
    scale: Scale
    gap: float = 6
    fewest: int = 1

    def y(self, value: float) -> float:
        """Return the height of a value on the scale."""
        return self.bottom - self.scale.share(value) * (self.bottom - self.top)

    def step(self, number: int) -> float:
        """Return the width of one value where there is this number of them."""
        return (self.right - self.left) / max(number, self.fewest)

    def rule(self, y: float, *, role: Role, width: float, dashed: bool = False) -> Line:
        """Return a line across the panel."""
        return Line(points=((self.left, y), (self.right, y)), role=role, width=width, dashed=dashed)

    def grid(self, *, width: float = 0.5) -> Iterator[Mark]:
        """Yield a line and a label for each tick."""
        for value, label in self.scale.ticks:
            yield self.rule(self.y(value), role=Role.GRID, width=width)
            x = self.left - self.gap
            yield Label(x=x, y=self.y(value), text=label, anchor="end", size=8, role=Role.MUTED)

    def columns(self, values: Sequence[float | None], *, hints: Sequence[str], share: float = 0.75) -> Iterator[Target]:
        """Yield a bar for each value.

        Parameters:
          share: Part of a value's width that its bar fills.
        """
        width = self.step(len(values)) * share
        yield from self._targets(
            [
                Bar(x=place[0] - width / 2, y=place[1], width=width, height=self.bottom - place[1]) if place else None
                for place in self._places(values)
            ],
            hints=hints,
        )

    def course(
        self, values: Sequence[float | None], *, hints: Sequence[str], width: float = 1.5, radius: float = 3
    ) -> Iterator[Mark]:
        """Yield lines through neighbouring values, and a dot for each value.

        Parameters:
          width: The lines' width.
          radius: The dots' radius. 0 leaves them out.
        """
        places = self._places(values)
        for _, run in groupby(places, key=lambda place: place is None):
            points = tuple(place for place in run if place)
            if len(points) > 1:
                yield Line(points=points, width=width)
        dots = [Dot(x=place[0], y=place[1], radius=radius) if place and radius else None for place in places]
        yield from self._targets(dots, hints=hints)

    def _places(self, values: Sequence[float | None]) -> list[Point | None]:
        step = self.step(len(values))
        return [
            None if value is None else (self.left + (index + 0.5) * step, self.y(value))
            for index, value in enumerate(values)
        ]

    def _targets(self, marks: Sequence[Bar | Dot | None], *, hints: Sequence[str]) -> Iterator[Target]:
        step, height = self.step(len(marks)), self.bottom - self.top
        for index, (mark, hint) in enumerate(zip(marks, hints, strict=True)):
            yield Target(x=self.left + index * step, y=self.top, width=step, height=height, hint=hint, mark=mark)
