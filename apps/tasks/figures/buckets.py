"""Buckets of the histograms of waits and runs."""

from collections.abc import Sequence

#: Upper bounds of the buckets, in seconds. A time that equals a bound is in the next bucket. The last bucket, after
#: these, has no bound.
BOUNDS_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)

#: Number of buckets.
BUCKETS = len(BOUNDS_SECONDS) + 1


def quantile(counts: Sequence[int], part: float) -> float | None:
    """Return the seconds below which a part of the times lies, as if they were spread evenly over each bucket.

    Those in the last bucket count as its lower bound, as Prometheus counts them. None: there are no times.

    Parameters:
      counts: Number of times in each bucket.
      part: 0.5 for the median.
    """
    rank = sum(counts) * part
    if not rank:
        return None
    below = 0.0
    for position, count in enumerate(counts):
        if count and below + count >= rank:
            lower = BOUNDS_SECONDS[position - 1] if position else 0.0
            if position == len(BOUNDS_SECONDS):
                return lower
            return lower + (BOUNDS_SECONDS[position] - lower) * (rank - below) / count
        below += count
    return BOUNDS_SECONDS[-1]
