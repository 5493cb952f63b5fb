"""Buckets of the histograms of waits and runs."""

import math
from collections.abc import Sequence

#: Upper bounds of the buckets, in seconds. A time that equals a bound is in the next bucket. The last bucket, after
#: these, has no bound.
BOUNDS_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)

#: Number of buckets.
BUCKETS = len(BOUNDS_SECONDS) + 1


def quantile(counts: Sequence[int], part: float, *, total_seconds: float | None = None) -> float | None:
    """Return seconds within which a part of the times lies, for certain: the upper bound of their bucket, or less.

    An estimate inside of the bucket would be wrong for few times, or for times that are alike. Those in the last bucket
    have no upper bound: if the total does not tell one, they count as its lower bound, as Prometheus counts them.
    None: there are no times.

    Parameters:
      counts: Number of times in each bucket.
      part: 0.5 for the median.
      total_seconds: All times together. None: not known.
    """
    number = sum(counts)
    if number <= 0:
        return None
    rank = max(1, math.ceil(number * part))
    position, below = 0, 0
    while below + counts[position] < rank:
        below += counts[position]
        position += 1
    lower = _lower(position)
    upper = BOUNDS_SECONDS[position] if position < len(BOUNDS_SECONDS) else math.inf
    if total_seconds is not None:
        # The time of this rank and those after it share what the others leave of the total, at least.
        least_below = sum(count * _lower(place) for place, count in enumerate(counts[:position]))
        least_below += (rank - below - 1) * lower
        upper = min(upper, max(lower, (total_seconds - least_below) / (number - rank + 1)))
    return upper if upper != math.inf else lower


def _lower(position: int) -> float:
    return BOUNDS_SECONDS[position - 1] if position else 0.0
