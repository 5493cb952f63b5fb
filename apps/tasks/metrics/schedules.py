"""Schedules: their delay and their missed slots."""

from typing import NamedTuple

from apps.tasks.models import Schedule
from apps.tasks.schedules import clock

#: Schedules that are read, at most.
MOST = 1_000


class ScheduleFigures(NamedTuple):
    """An enabled schedule.

    Parameters:
      delay_seconds: Seconds for which its next slot is overdue. 0: it is not due yet, or there is none.
      missed: Number of missed slots so far.
      is_broken: Whether its last slot could not be fired.
    """

    name: str
    delay_seconds: float
    missed: int
    is_broken: bool


def read() -> tuple[ScheduleFigures, ...]:
    """Return the enabled schedules, by name."""
    now = clock.now()
    rows = Schedule.objects.filter(enabled=True).order_by("name")
    found = rows.values_list("name", "next_at", "missed_count", "problem")[:MOST]
    return tuple(
        ScheduleFigures(
            name,
            clock.real_seconds(max(0.0, (now - next_at).total_seconds())) if next_at else 0.0,
            missed,
            bool(problem),
        )
        for name, next_at, missed, problem in found
    )
