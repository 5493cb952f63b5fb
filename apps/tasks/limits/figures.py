"""Figures of limits: the places that are used, and the tasks that wait for one."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Min, Sum

from apps.tasks.clock import ClockTimestamp
from apps.tasks.limits.rate import BadRateError, Rate
from apps.tasks.models import Limit, LimitedStart, TaskStatus
from apps.tasks.statements.lines import lines_of

#: Tasks and lines that are counted, at most.
MOST = 10_000


class Figures(NamedTuple):
    """Figures of a limit, over all its lines.

    Parameters:
      used: Sum of the weights of the tasks that have a place.
      started: Sum of the weights of the tasks that started within the stretch of its rate.
      waiting: Number of tasks in line, `MOST` at most.
      lines: Number of lines in which they wait, `MOST` at most.
      oldest_at: Time since which the oldest of them could run.
    """

    used: int
    started: int
    waiting: int
    lines: int
    oldest_at: datetime | None


def of(limit: Limit) -> Figures:
    """Return the figures of a limit as they are now."""
    rows = TaskStatus.objects.filter(task_name=limit.task_name)
    started = 0
    try:
        rate = Rate.of(limit.rate_limit) if limit.rate_limit else None
    except BadRateError:  # Another program wrote it.
        rate = None
    if rate is not None:
        since = ClockTimestamp(offset_ms=-rate.window_ms)
        for found in (rows.filter(line__isnull=False), LimitedStart.objects.filter(task_name=limit.task_name)):
            started += found.filter(started_at__gt=since).aggregate(sum=Sum("weight", default=0))["sum"]
    waiting = rows.in_line().order_by()
    some = waiting.values("run_at")[:MOST]
    return Figures(
        used=rows.with_place().aggregate(sum=Sum("weight", default=0))["sum"],
        started=started,
        waiting=waiting[:MOST].count(),
        lines=len(lines_of(limit.task_name, after=None, limit=MOST)),
        oldest_at=some.aggregate(oldest=Min("run_at"))["oldest"],
    )
