"""Change when, in which order and on which queue pending tasks run, for a person.

A task whose message may be in Redis gets a new attempt, so that its old message is refused. The relay publishes it
anew. If it has a place of its limit, it leaves the place and stands in line again.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import F, Min, Q

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.ledger.rows import by_keys, lock_free
from apps.tasks.models import ScheduleSlot, TaskStatus

#: Smallest and largest priority that the column holds.
LEAST_PRIORITY, LARGEST_PRIORITY = -(2**31), 2**31 - 1
#: Tasks whose message may be in Redis.
PUBLISHED = Q(delayed=False, in_line=False)


def may_run_now() -> Q:
    """Return the condition for tasks that wait for their time or for a place of their limit."""
    waits_for_time = Q(delayed=True, run_at__gt=ClockTimestamp())
    # A task of a paused actor stands in line without a line.
    return Q(status=states.PENDING) & (waits_for_time | Q(in_line=True, line__isnull=False))


def held(row_ids: Collection[int]) -> set[int]:
    """Return those of the tasks that wait for the previous run of their schedule."""
    tasks = TaskStatus.objects.filter(pk__in=row_ids, status=states.PENDING)
    slots = ScheduleSlot.objects.filter(is_held=True, task_id__in=tasks.order_by().values("task_id"))
    return set(tasks.filter(task_id__in=slots.values("task_id")).order_by().values_list("pk", flat=True))


def run_now(row_ids: Collection[int]) -> set[int]:
    """Make tasks due that wait for their time, and put those first that wait in the line of their limit.

    Returns:
      The row ids that took. Missing are others, those that `held` returns, and rows locked by another transaction.
    """
    with transaction.atomic():
        waiting = lock_free(TaskStatus.objects.filter(may_run_now(), pk__in=set(row_ids) - held(row_ids)))
        rows, now = by_keys(waiting), ClockTimestamp()
        _put_first(rows.filter(in_line=True))
        rows.filter(in_line=False).update(run_at=now, updated_at=now)
    return {row.pk for row in waiting}


def change_priority(row_ids: Collection[int], priority: int) -> set[int]:
    """Give pending tasks another priority. Return the row ids that took. Rows locked by another transaction do not."""
    return _change(TaskStatus.objects.filter(pk__in=row_ids).exclude(priority=priority), priority=priority)


def change_queue(row_ids: Collection[int], queue_name: str) -> set[int]:
    """Give pending tasks another queue. Return the row ids that took. Rows locked by another transaction do not.

    Parameters:
      queue_name: A declared queue. The caller has looked.
    """
    rows = TaskStatus.objects.filter(pk__in=row_ids).exclude(queue_name=queue_name)
    return _change(rows, queue_name=queue_name, unknown_since=None)


def _change(rows: Any, **values: Any) -> set[int]:
    with transaction.atomic():
        waiting = lock_free(rows.filter(status=states.PENDING))
        values["updated_at"] = ClockTimestamp()
        # First: the others are published no more after it.
        by_keys(waiting).exclude(PUBLISHED).update(**values)
        by_keys(waiting).filter(PUBLISHED).update(attempt=F("attempt") + 1, delayed=True, **values)
    return {row.pk for row in waiting}


def _put_first(rows: Any) -> None:
    """Give tasks in line a more urgent priority than all others of their lines have."""
    mine = list(rows.order_by().values_list("pk", "task_name", "line"))
    if not mine:
        return
    lines = TaskStatus.objects.in_line().filter(
        task_name__in={name for _, name, _ in mine}, line__in={line for _, _, line in mine}
    )
    least = {
        (name, line): priority
        for name, line, priority in lines.order_by().values_list("task_name", "line").annotate(Min("priority"))
    }
    by_priority: defaultdict[int, list[int]] = defaultdict(list)
    for pk, name, line in mine:
        by_priority[max(least[name, line] - 1, LEAST_PRIORITY)].append(pk)
    for priority, row_ids in by_priority.items():
        TaskStatus.objects.filter(pk__in=row_ids).update(priority=priority, updated_at=ClockTimestamp())
