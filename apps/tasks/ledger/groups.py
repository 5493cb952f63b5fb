"""Open groups, notice their ends and record their callbacks.

No move of a task writes to a group, so none can forget to. A group waits for one of its members. When that one has
ended, the group looks for the next member that has not, and without one the group has ended. Each member is passed
once, so a member costs the same in a group of ten thousand as in one of three.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.errors import LockedError
from apps.tasks.ledger.locks import PATIENCE_MS, patience
from apps.tasks.ledger.record import record
from apps.tasks.ledger.rows import PAGE
from apps.tasks.models import TaskGroup, TaskGroupMember, TaskStatus
from apps.tasks.values import GroupProgress, Send

#: Ends of a group that a callback may be for.
SUCCESS = "success"
FINISHED = "finished"
#: Members that are looked at first for the next one.
FIRST_RANGE = 25
#: Ids of failed members that a callback is given, at most.
FAILED_IDS = 100

NOT_COMPLETED = tuple(state for state in states.STATES if state != states.COMPLETED)

#: Makes the send of a callback, from its message and further keyword arguments. None: it cannot be sent.
SendOf = Callable[[dict[str, Any], dict[str, Any]], Send | None]


def open_group(key: str, *, members: Sequence[Sequence[str]], callbacks: Sequence[dict[str, Any]] = ()) -> None:
    """Record a group, in the transaction that records its tasks.

    Parameters:
      members: Task ids of each member, in the order of their runs. Only a pipeline has several.
      callbacks: `{"on": "success" or "finished", "message": {...}}` for each.
    """
    first = members[-1][0] if members else key  # No task has the key for an id, so an empty group ends at once.
    group = TaskGroup.objects.create(key=key, size=len(members), callbacks=list(callbacks), position=0, waits_for=first)
    # The last member comes first: most groups run in their order, and wait for it alone.
    numbered = reversed(list(enumerate(members)))
    rows = ((task_id, number, task_id == ids[-1]) for number, ids in numbered for task_id in ids)
    TaskGroupMember.objects.bulk_create(
        (
            TaskGroupMember(group=group, task_id=task_id, position=position, number=number, is_last=is_last)
            for position, (task_id, number, is_last) in enumerate(rows)
        ),
        batch_size=PAGE,
    )


def settle_groups(send_of: SendOf, *, task_ids: Sequence[str] | None = None) -> tuple[Send, ...]:
    """Look at the groups whose awaited member has ended. Record the callbacks of those that have ended, each once.

    The caller publishes them. It looks at its tasks after their ends are committed: of two workers that end the last
    members at the same time, the later look sees both. A group is left for a later look if a sender has locked the
    key of its callback.

    Parameters:
      task_ids: Look at the groups that wait for one of these tasks. None: at all.
    """
    waiting = TaskGroup.objects.exclude(waits_for="")
    sends: list[Send] = []
    patience_ms = PATIENCE_MS
    ready = _ready(waiting if task_ids is None else waiting.filter(waits_for__in=task_ids))
    while ready:
        settled: dict[int, list[Send] | None] = {}
        for pk in ready:
            try:
                with patience(milliseconds=patience_ms):
                    settled[pk] = _settle(pk, send_of)
            except LockedError:
                # The relay looks at it again. Many groups may wait for the same key.
                settled[pk], patience_ms = None, 1
        sends += [send for found in settled.values() for send in found or ()]
        # The next member may have ended before the group waited for it.
        ready = _ready(waiting.filter(pk__in=[pk for pk, found in settled.items() if found is not None]))
    return tuple(sends)


def progress_of(groups: QuerySet[TaskGroup]) -> dict[str, GroupProgress]:
    """Return the progress of groups by their keys, in one statement."""

    def count(**condition: Any) -> Count:
        return Count("members__number", distinct=True, filter=Q(**condition))

    rows = groups.order_by().values("pk", "key", "size", "ended_at")
    return {
        row["key"]: GroupProgress(
            total=row["size"],
            has_ended=row["ended_at"] is not None,
            **{name: row[name] for name in ("completed", "failed", "cancelled", "waiting", "running")},
        )
        for row in rows.annotate(
            completed=count(members__task__status=states.COMPLETED, members__is_last=True),
            failed=count(members__task__status=states.FAILED),
            cancelled=count(members__task__status=states.CANCELLED),
            waiting=count(members__task__status=states.PENDING),
            running=count(members__task__status=states.PROCESSING),
        )
    }


def forget_groups(*, older_than: timedelta) -> int:
    """Delete groups that ended longer ago than that, in pages. Return their number."""
    before = ClockTimestamp(offset_ms=-older_than.total_seconds() * 1000)
    forgotten = 0
    while old := list(TaskGroup.objects.filter(ended_at__lt=before).order_by("ended_at")[:PAGE]):
        members = TaskGroupMember.objects.filter(group__in=old)
        while page := list(members.values_list("pk", flat=True)[:PAGE]):
            members.filter(pk__in=page).delete()
        forgotten += TaskGroup.objects.filter(pk__in=[group.pk for group in old]).delete()[0]
    return forgotten


def _ready(groups: QuerySet[TaskGroup]) -> list[int]:
    """Return the groups whose awaited task has ended, or is gone.

    A group that had ended waits for a retry by hand: it is ready once that has completed.
    """
    ended = Q(ended_at=None, awaited__in=states.TERMINAL) | Q(awaited=states.COMPLETED) | Q(awaited=None)
    return list(groups.alias(awaited=_status_of("waits_for")).filter(ended).values_list("pk", flat=True))


def _settle(pk: int, send_of: SendOf) -> list[Send] | None:
    """Let the group wait for its next member or, without one, record its callbacks. None: another process does it.

    Runs in a transaction of the caller's.
    """
    group = TaskGroup.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=pk).first()
    if group is None or not group.waits_for:
        return None
    if group.ended_at is None and _wait_for_next(group, states.UNFINISHED):
        return []
    progress = progress_of(TaskGroup.objects.filter(pk=pk))[group.key]
    is_success = progress.completed == progress.total
    ends = {FINISHED} if group.ended_at is None else set()
    sends = _record(group, ends | ({SUCCESS} if is_success else set()), progress, send_of)
    if group.ended_at is None:
        TaskGroup.objects.filter(pk=pk).update(ended_at=ClockTimestamp())
    may_succeed = not is_success and any(callback["on"] == SUCCESS for callback in group.callbacks)
    if not (may_succeed and _wait_for_next(group, NOT_COMPLETED)):
        TaskGroup.objects.filter(pk=pk).update(waits_for="")
    return sends


def _wait_for_next(group: TaskGroup, wanted: Collection[str]) -> bool:
    """Let the group wait for its next member in one of these states. Return whether there is one."""
    members = group.members.annotate(status=_status_of("task_id")).order_by("position")
    found = _next(members, group.position, wanted) or members.filter(status__in=wanted).first()
    if found is not None:
        TaskGroup.objects.filter(pk=group.pk).update(position=found.position, waits_for=found.task_id)
    return found is not None


def _next(members: QuerySet[Any], position: int, wanted: Collection[str]) -> Any:
    """Return the next member behind a position in one of these states. None: there is none.

    It reads a range of positions at a time. For an open one, PostgreSQL may read the rest of a large group each time.
    """
    length = FIRST_RANGE
    while page := list(members.filter(position__gt=position, position__lte=position + length)):
        for member in page:
            if member.status in wanted:
                return member
        position += length
        length = min(length * 4, PAGE)
    return None


def _record(group: TaskGroup, ends: set[str], progress: GroupProgress, send_of: SendOf) -> list[Send]:
    callbacks = [callback for callback in group.callbacks if callback["on"] in ends]
    if not callbacks:
        return []
    told = {
        "key": group.key,
        "total": progress.total,
        "completed": progress.completed,
        "failed": progress.failed,
        "cancelled": progress.cancelled,
        "failed_ids": _failed_ids(group),
    }
    made = [send_of(one["message"], {"group": told} if one["on"] == FINISHED else {}) for one in callbacks]
    sends = [send for send in made if send is not None]
    known = record(sends)
    return [send for position, send in enumerate(sends) if position not in known]


def _failed_ids(group: TaskGroup) -> list[str]:
    failed: Any = group.members.filter(task__status=states.FAILED).order_by("number", "position")
    return list(failed.values_list("task_id", flat=True)[:FAILED_IDS])


def _status_of(column: str) -> Subquery:
    """Return the status of the task whose id is in the column.

    A limited subquery is looked up for each row. As a join, PostgreSQL may read all unfinished tasks instead.
    """
    return Subquery(TaskStatus.objects.order_by().filter(task_id=OuterRef(column)).values("status")[:1])
