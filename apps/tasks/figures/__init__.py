"""Figures: counts of events of tasks, by time, actor and queue.

The relay counts them from the rows, a minute at a time (`tally`), so that senders and workers pay nothing. Pages and
metrics read them with `over` and `totals`.
"""

from apps.tasks.figures.buckets import BOUNDS_SECONDS
from apps.tasks.figures.counts import KINDS, Counts
from apps.tasks.figures.reading import DAY, HOUR, PERIODS, WEEK, Period, Point, Series, between, over, totals, usual
from apps.tasks.figures.tally import forget, keep_up, settled_until

__all__ = [
    "BOUNDS_SECONDS",
    "DAY",
    "HOUR",
    "KINDS",
    "PERIODS",
    "WEEK",
    "Counts",
    "Period",
    "Point",
    "Series",
    "between",
    "forget",
    "keep_up",
    "over",
    "settled_until",
    "totals",
    "usual",
]
