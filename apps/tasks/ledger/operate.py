"""Cancel and retry tasks for a person."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.errors import KeyTakenError
from apps.tasks.ledger import keys
from apps.tasks.ledger.admission import keep_starts
from apps.tasks.ledger.rows import PAGE, by_keys, lock_free, may, pending_again, tell_ended
from apps.tasks.models import TaskChild, TaskGroup, TaskGroupMember, TaskStatus
from apps.tasks.signals import cancel_requested

#: Columns that tell the key of a task.
NAMED = ("task_id", "options")


def cancel(task_id: str) -> bool:
    """Cancel a waiting task. For a claimed one, request it: its worker interrupts it, and cancels it then.

    Returns:
      Whether the task is cancelled now. False for one that a worker holds or that has ended.
    """
    rows = TaskStatus.objects.filter(task_id=task_id)
    while True:
        if rows.filter(may(states.CANCEL)).update(**_cancelled()):
            tell_ended(rows, states.CANCEL)
            cancel_children([task_id])
            return True
        claimed = rows.filter(may(states.CANCEL_CLAIMED))
        if claimed.filter(cancel_requested_at=None).update(cancel_requested_at=ClockTimestamp()):
            break
        # Between the two statements a rescue may have made it pending.
        if not TaskStatus.objects.unfinished().filter(task_id=task_id, cancel_requested_at=None).exists():
            break
    _call(claimed)
    return False


def cancel_many(row_ids: Collection[int]) -> tuple[set[int], set[int]]:
    """Cancel many tasks, each as `cancel` does, in one transaction and without waiting for locked rows.

    Returns:
      The row ids that are cancelled now, and those of claimed tasks whose cancellation is requested now. Missing are
      tasks that have ended, earlier requests, and rows locked by another transaction.
    """
    rows = TaskStatus.objects.filter(pk__in=row_ids)
    with transaction.atomic():
        waiting = lock_free(rows.filter(may(states.CANCEL)))
        by_keys(waiting).update(**_cancelled())
        tell_ended(by_keys(waiting), states.CANCEL)
        claimed = lock_free(rows.filter(may(states.CANCEL_CLAIMED), cancel_requested_at=None))
        by_keys(claimed).update(cancel_requested_at=ClockTimestamp())
        _call(by_keys(claimed))
    if waiting:
        cancel_children(list(by_keys(waiting).values_list("task_id", flat=True)))
    return {row.pk for row in waiting}, {row.pk for row in claimed}


def cancel_children(parent_ids: Collection[str] | None = None) -> int:
    """Cancel the unfinished children of cancelled tasks. Return the number that are cancelled, or asked to be.

    A child follows once its parent is cancelled, not when that is requested: nothing more is sent by then, so no child
    is missed. The relay calls it without ids, for what died between a cancellation and this call.

    Parameters:
      parent_ids: Tasks that may have children. None: all.
    """
    parents = TaskStatus.objects.filter(task_id=OuterRef("parent_id"), status=states.CANCELLED)
    known = TaskChild.objects.filter(Exists(parents))
    if parent_ids is not None:
        known = known.filter(parent_id__in=parent_ids)
    rows: Any = TaskStatus.objects.unfinished().filter(task_id__in=known.values("task_id"), cancel_requested_at=None)
    count = 0
    while page := list(rows.order_by("pk").values_list("pk", flat=True)[:PAGE]):
        found = sum(map(len, cancel_many(page)))
        count += found
        if not found:
            break  # Other transactions have these locked. The relay comes again.
    return count


def cancel_group(key: str) -> tuple[int, int] | None:
    """Cancel the unfinished tasks of a group. Return the numbers of both kinds. None: no such group."""
    if not TaskGroup.objects.filter(key=key).exists():
        return None
    members = TaskGroupMember.objects.filter(group__key=key).values("task_id")
    tasks = TaskStatus.objects.filter(task_id__in=members).unfinished().filter(cancel_requested_at=None)
    row_ids = list(tasks.order_by("pk").values_list("pk", flat=True))
    cancelled = requested = 0
    for page in (row_ids[start : start + PAGE] for start in range(0, len(row_ids), PAGE)):
        found, asked = cancel_many(page)
        # Another transaction has the others locked. They are few, and a group is cancelled as a whole.
        for task_id in tasks.filter(pk__in=page).values_list("task_id", flat=True):
            cancelled += cancel(task_id)
        cancelled, requested = cancelled + len(found), requested + len(asked)
    return cancelled, requested


def retry(task_id: str) -> bool:
    """Run a failed or cancelled task again, with fresh counts. Return whether it took.

    Raises:
      KeyTakenError: Another task has its unique key by now, and is unfinished.
    """
    with transaction.atomic():
        rows = TaskStatus.objects.filter(may(states.RETRY_BY_HAND), task_id=task_id)
        ended = list(rows.select_for_update(no_key=True).only(*NAMED))
        if taken := keys.take_back(ended):
            raise KeyTakenError(task_id, taken_by=taken[ended[0].pk])
        keep_starts(by_keys(ended))
        return bool(by_keys(ended).update(**_retried()))


def retry_many(row_ids: Collection[int]) -> set[int]:
    """Run many tasks again, each as `retry` does, in one transaction and without waiting for locked rows.

    Returns:
      The row ids that took. Those of tasks whose unique key an unfinished task has by now are missing.
    """
    with transaction.atomic():
        ended = lock_free(TaskStatus.objects.filter(may(states.RETRY_BY_HAND), pk__in=row_ids))
        taken = keys.take_back(by_keys(ended).only(*NAMED))
        free = [row for row in ended if row.pk not in taken]
        keep_starts(by_keys(free))
        by_keys(free).update(**_retried())
    return {row.pk for row in free}


def _call(claimed: Any) -> None:
    """Tell the processes that hold these tasks, once the request is committed."""
    worker_ids = set(claimed.order_by().values_list("worker_id", flat=True)) - {None}
    if worker_ids:
        send = partial(cancel_requested.send_robust, TaskStatus, worker_ids=worker_ids)
        transaction.on_commit(send, robust=True)


def _cancelled() -> dict[str, Any]:
    now = ClockTimestamp()
    return {"status": states.CANCEL.target, "cancel_requested_at": now, "finished_at": now, "updated_at": now}


def _retried() -> dict[str, Any]:
    return pending_again() | {
        "retries": 0,
        "crashes": 0,
        "snoozes": 0,
        "expires_at": None,
        "unknown_since": None,
        "cancel_requested_at": None,
        "finished_at": None,
        "result": None,
        "error_message": "",
        "error_type": "",
        "cause": "",
        "traceback": "",
    }
