"""The newest tasks: how often each actor is sent, and how long it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import connections
from django.db.models import Case, F, When

from apps.tasks import figures
from apps.tasks.clock import SecondsSince
from apps.tasks.models import TaskStatus

#: Newest rows that are read.
SAMPLE = 5_000
#: Seconds in which a send counts as recent.
WINDOW_SECONDS = 300.0


class Pace(NamedTuple):
    """Recent tasks of one queue and actor.

    Parameters:
      sent: Number of those that were sent within the window.
      ended: Number of those that ran and ended.
      run_seconds: Sum of the run times of these.
    """

    queue_name: str
    task_name: str
    sent: int
    ended: int
    run_seconds: float


@dataclass(frozen=True, kw_only=True)
class Recent:
    """The newest tasks.

    Parameters:
      seconds: Length of the window that the sample covers.
      run_seconds: Mean run times of the last hour, by actor. If very many tasks wait, the sample has none that ran.
    """

    paces: tuple[Pace, ...] = ()
    seconds: float = WINDOW_SECONDS
    run_seconds: Mapping[str, float] = field(default_factory=dict)


def read() -> Recent:
    """Return the paces of the `SAMPLE` newest tasks. If they were all sent within less, the window is shorter."""
    ran = Case(
        When(finished_at__isnull=False, started_at__isnull=False, then=SecondsSince("started_at") - F("end_age"))
    )
    rows = (
        TaskStatus.objects.order_by("-pk")
        .annotate(age=SecondsSince("created_at"), end_age=SecondsSince("finished_at"))
        .annotate(ran=ran)
        .values("queue_name", "task_name", "age", "ran")[:SAMPLE]
    )
    sql, params = rows.query.sql_with_params()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT queue_name, task_name, SUM(CASE WHEN age <= %s THEN 1 ELSE 0 END), COUNT(ran), "  # noqa: S608
            f"COALESCE(SUM(ran), 0), MAX(age), COUNT(*) FROM ({sql}) AS newest GROUP BY 1, 2",
            [WINDOW_SECONDS, *params],
        )
        found = cursor.fetchall()
    is_full = sum(row[6] for row in found) >= SAMPLE
    oldest = max((row[5] or 0 for row in found), default=WINDOW_SECONDS)
    return Recent(
        paces=tuple(Pace(row[0], row[1], row[2], row[3], max(0.0, float(row[4]))) for row in found),
        run_seconds={
            name: counts.run_ms / 1000 / number
            for name, counts in figures.over(figures.HOUR).by_actor().items()
            if (number := sum(counts.runs))
        },
        seconds=min(WINDOW_SECONDS, max(1.0, oldest)) if is_full else WINDOW_SECONDS,
    )
