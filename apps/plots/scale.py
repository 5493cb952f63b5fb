"""Scales: a range of values and the ticks on it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

#: A value and its label.
Tick = tuple[float, str]
#: Forgives what floating point adds to a quotient.
_EPSILON = 1e-9


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A range of values, with ticks in ascending or descending order."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    @classmethod
    def rounded(cls, low: float, high: float, *, steps: int, label: Callable[[float], str]) -> Self:
        """Return a scale that includes both values and has ticks at round numbers.

        Parameters:
          steps: Largest number of steps between the two values. The scale may need one more to include both.
        """
        step = round_step((high - low) / steps)
        first = math.floor(low / step + _EPSILON)
        last = max(math.ceil(high / step - _EPSILON), first + 1)
        ticks = tuple((index * step, label(index * step)) for index in range(first, last + 1))
        return cls(low=first * step, high=last * step, ticks=ticks)

    @classmethod
    def around(cls, values: Iterable[float], *, guides: Iterable[Tick]) -> Self:
        """Return a scale with a margin around the values. Its ticks are the guides that it includes."""
        values = list(values)
        lowest, highest = min(values, default=0), max(values, default=0)
        margin = max((highest - lowest) / 12, 1)
        low, high = lowest - margin, highest + margin
        return cls(low=low, high=high, ticks=tuple(tick for tick in guides if low <= tick[0] <= high))

    def share(self, value: float) -> float:
        """Return the place of a value on the scale: 0 at the lower end or below, 1 at the upper end or above."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


def round_step(least: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least this much. For 0 it is 1."""
    if least <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(least))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= least * (1 - _EPSILON)), power * 10)
