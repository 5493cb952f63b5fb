"""Tasks that wait, and tasks that a worker process holds, by queue and actor."""

from dataclasses import dataclass
from typing import NamedTuple

from django.db import connections
from django.db.models import Count, F

from apps.tasks import states
from apps.tasks.clock import SecondsSince
from apps.tasks.models import TaskStatus

#: Pending rows that are read from either end, the oldest and the newest.
SAMPLE = 50_000


class Waiting(NamedTuple):
    """Pending tasks of one queue and actor.

    Parameters:
      in_line: Whether they wait for a place of their limit.
      is_due: Whether their time has come.
      oldest_seconds: Seconds since the time of the oldest of them. Negative: its time comes then.
    """

    queue_name: str
    task_name: str
    in_line: bool
    is_due: bool
    number: int
    oldest_seconds: float


class Held(NamedTuple):
    """Tasks of one queue and actor that worker processes hold.

    Parameters:
      running: Number of them that have started.
    """

    queue_name: str
    task_name: str
    number: int
    running: int


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Unfinished tasks.

    Parameters:
      is_truncated: Whether there are more pending tasks than were counted, so that `waiting` has lower bounds.
    """

    waiting: tuple[Waiting, ...] = ()
    held: tuple[Held, ...] = ()
    is_truncated: bool = False


def read(*, sample: int | None = None) -> Backlog:
    """Return the unfinished tasks. Of more than twice `sample` pending rows, those at either end are counted.

    Parameters:
      sample: Pending rows that are read from either end. None: `SAMPLE`.
    """
    most = SAMPLE if sample is None else sample
    oldest, newest_pk, count = _walk("pk", after=0, most=most)
    newest: list[Waiting] = []
    is_truncated = False
    if count == most:
        newest, _, count = _walk("-pk", after=newest_pk, most=most)
        is_truncated = count == most
    held = TaskStatus.objects.filter(status=states.PROCESSING).order_by()
    return Backlog(
        waiting=tuple(oldest + newest),
        held=tuple(
            Held(*row) for row in held.values_list("queue_name", "task_name").annotate(Count("pk"), Count("started_at"))
        ),
        is_truncated=is_truncated,
    )


def _walk(order: str, *, after: int, most: int) -> tuple[list[Waiting], int, int]:
    """Return up to `most` pending rows in groups, the largest primary key of them, and their number.

    The rows are limited before they are grouped: PostgreSQL would otherwise read all of them.
    """
    rows = (
        TaskStatus.objects.filter(status=states.PENDING, pk__gt=after)
        .order_by(order)
        .annotate(number=F("pk"), age=SecondsSince("run_at"))
        .values("queue_name", "task_name", "in_line", "number", "age")[:most]
    )
    sql, params = rows.query.sql_with_params()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT queue_name, task_name, in_line, COALESCE(age >= 0, FALSE) AS is_due, COUNT(*), "  # noqa: S608
            f"MAX(COALESCE(age, 0)), MAX(number) FROM ({sql}) AS pending GROUP BY 1, 2, 3, 4",
            params,
        )
        found = cursor.fetchall()
    groups = [
        Waiting(queue, actor, bool(in_line), bool(is_due), count, float(age))
        for queue, actor, in_line, is_due, count, age, _ in found
    ]
    return groups, max((row[-1] for row in found), default=after), sum(group.number for group in groups)
