"""Find the tasks that the relay must publish or expire."""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.ledger.rows import PAGE, by_keys, expire, lock_free, may
from apps.tasks.models import TaskStatus


class Waiting(NamedTuple):
    """Columns of a due row that should be in Redis: what the audit compares."""

    pk: int
    task_id: str
    attempt: int
    queue_name: str


def take_due(*, limit: int) -> list[TaskStatus]:
    """Return delayed rows that are due, each to one relay alone. They no longer count as delayed.

    The caller publishes them after the commit. A relay that dies in between leaves rows that are due and not in Redis,
    which the audit finds.
    """
    with transaction.atomic():
        rows = list(
            TaskStatus.objects.due()
            .filter(delayed=True)
            .order_by("run_at", "id")
            .select_for_update(skip_locked=True)[:limit]
        )
        if rows:
            TaskStatus.objects.filter(pk__in=[row.pk for row in rows], status=states.PENDING).update(delayed=False)
    return rows


def due_after(pk: int, *, limit: int) -> list[Waiting]:
    """Return a page of the due rows that should be in Redis, in key order."""
    rows = TaskStatus.objects.due().filter(delayed=False, pk__gt=pk).order_by("pk")[:limit]
    return [Waiting(*row) for row in rows.values_list("pk", "task_id", "attempt", "queue_name")]


def still_due(waiting: Iterable[Waiting]) -> list[TaskStatus]:
    """Return whole rows, read anew, of those that are still due for the same attempt."""
    attempts = {row.pk: row.attempt for row in waiting}
    rows = TaskStatus.objects.due().filter(pk__in=attempts, delayed=False).order_by("pk")
    return [row for row in rows if row.attempt == attempts[row.pk]]


def expire_waiting() -> int:
    """Fail every pending task whose `expires_at` has passed, fetched or not. Return their number."""
    count: int = 0
    while True:
        rows = TaskStatus.objects.filter(may(states.EXPIRE), expires_at__lte=ClockTimestamp())
        with transaction.atomic():
            page = lock_free(rows, limit=PAGE)
            count += expire(by_keys(page))
        if len(page) < PAGE:
            return count
