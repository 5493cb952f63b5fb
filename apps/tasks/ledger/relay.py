"""Find the tasks that the relay must publish or expire."""

import operator
from collections.abc import Collection, Iterator
from functools import reduce
from typing import NamedTuple

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast, Length

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.ledger.rows import HAS_LINE, PAGE, by_keys, expire, may
from apps.tasks.models import TaskStatus
from apps.tasks.values import Claim

#: A row is large if its size times this exceeds a run.
LARGE_PART = 10


class Waiting(NamedTuple):
    """Columns of a due row that should be in Redis: what the audit compares."""

    pk: int
    task_id: str
    attempt: int
    queue_name: str
    task_name: str
    line: str | None = None


def take_due(*, limit: int) -> list[Waiting]:
    """Return delayed rows that are due, each to one relay alone. They no longer count as delayed.

    Those with a line stand in it now. The caller publishes the others after the commit. A relay that dies in between
    leaves rows that are due and not in Redis, which the audit finds.
    """
    with transaction.atomic():
        due = (
            TaskStatus.objects.due()
            .filter(delayed=True)
            .order_by("run_at", "id")
            .select_for_update(skip_locked=True)
            .values_list(*Waiting._fields)
        )
        rows = [Waiting(*row) for row in due[:limit]]
        if rows:
            TaskStatus.objects.filter(pk__in=[row.pk for row in rows], status=states.PENDING).update(
                delayed=False, in_line=HAS_LINE
            )
    return rows


def due_after(pk: int, *, limit: int) -> list[Waiting]:
    """Return a page of the due rows that should be in Redis, in key order."""
    rows = TaskStatus.objects.due().filter(delayed=False, in_line=False, pk__gt=pk).order_by("pk")[:limit]
    return [Waiting(*row) for row in rows.values_list(*Waiting._fields)]


def still_due(waiting: Collection[Waiting]) -> list[TaskStatus]:
    """Return whole rows, read anew, of those that are still due for the same attempt. In the order given."""
    return _due([(row.pk, row.attempt) for row in waiting])


def due_again(claims: Collection[Claim]) -> list[TaskStatus]:
    """Return the rows of claims that ended with a retry, of those that are due at once."""
    return _due([(claim.row_id, claim.attempt + 1) for claim in claims])


def _due(attempts: Collection[tuple[int, int]]) -> list[TaskStatus]:
    """Return the rows that are due for an attempt and not in line, by pairs of key and attempt. In the order given."""
    rows = TaskStatus.objects.due().in_bulk([pk for pk, _ in attempts])
    found = [(attempt, rows.get(pk)) for pk, attempt in attempts]
    return [
        row
        for attempt, row in found
        if row is not None and not row.delayed and not row.in_line and row.attempt == attempt
    ]


def runs_of(waiting: Collection[Waiting], *, max_bytes: int) -> Iterator[list[Waiting]]:
    """Yield the rows in runs whose arguments and options have about `max_bytes` together, or in runs of one row.

    Large rows come last: the others must not wait for them.
    """
    run: list[Waiting] = []
    total = 0
    sizes = _sizes(waiting)
    for row in sorted(waiting, key=lambda row: sizes.get(row.pk, 0) * LARGE_PART > max_bytes):
        size = sizes.get(row.pk, 0)
        if run and (total + size > max_bytes or len(run) == PAGE):
            yield run
            run, total = [], 0
        run.append(row)
        total += size
    if run:
        yield run


def _sizes(waiting: Collection[Waiting]) -> dict[int, int]:
    """Return the length of each row's arguments and options by its key."""
    if len(waiting) < 2:
        return {}
    parts = (Length(Cast(name, TextField())) for name in ("args", "kwargs", "options"))
    rows = TaskStatus.objects.filter(pk__in=[row.pk for row in waiting]).order_by()
    return dict(rows.values_list("pk", reduce(operator.add, parts)))


def move(waiting: Collection[Waiting], *, to_queue: str) -> list[Waiting]:
    """Give pending tasks another queue, since no worker takes their own. Return those that took, as they are now.

    A row that another transaction has locked is left out.
    """
    rows = TaskStatus.objects.filter(status=states.PENDING, pk__in=[row.pk for row in waiting])
    known = {row.pk: row for row in waiting}
    with transaction.atomic():
        free = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
        taken = [row for row in map(Waiting._make, free.values_list(*Waiting._fields)) if row == known[row.pk]]
        TaskStatus.objects.filter(pk__in=[row.pk for row in taken]).update(
            queue_name=to_queue, unknown_since=None, updated_at=ClockTimestamp()
        )
    return [row._replace(queue_name=to_queue) for row in taken]


def expire_waiting() -> int:
    """Fail every pending task whose `expires_at` has passed, fetched or not. Return their number."""
    count: int = 0
    while True:
        rows = TaskStatus.objects.filter(may(states.EXPIRE), expires_at__lte=ClockTimestamp(once=True))
        with transaction.atomic():
            # In the order of the index over them. In that of the keys, all rows that wait would be read.
            free = rows.select_for_update(skip_locked=True, no_key=True).order_by("expires_at", "pk")
            page = list(free.only("pk")[:PAGE])
            count += expire(by_keys(page))
        if len(page) < PAGE:
            return count
