"""Take tasks back from workers that stop, forget, die or cannot run them."""

import uuid
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F
from django.db.models.functions import Coalesce

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.failures import cause_of
from apps.tasks.ledger.admission import add_starts, keep_starts
from apps.tasks.ledger.rows import by_keys, fail, lock_free, may, pending_again
from apps.tasks.models import TaskAttempt, TaskStatus
from apps.tasks.values import Claim

#: Error of an attempt whose worker process died.
DIED = "Its worker process died."


def held_by(worker_id: uuid.UUID) -> dict[tuple[str, int], bool]:
    """Return the tasks that a worker process holds according to their rows.

    Returns:
      Task id and attempt of each, with whether its cancellation was requested.
    """
    rows = TaskStatus.objects.filter(worker_id=worker_id, status=states.PROCESSING).order_by()
    return {
        (task_id, attempt): requested is not None
        for task_id, attempt, requested in rows.values_list("task_id", "attempt", "cancel_requested_at")
    }


def cancel_requests(worker_id: uuid.UUID) -> set[tuple[str, int]]:
    """Return task id and attempt of the tasks that a worker process holds and whose cancellation is requested."""
    rows = TaskStatus.objects.filter(worker_id=worker_id, status=states.PROCESSING, cancel_requested_at__isnull=False)
    return set(rows.order_by().values_list("task_id", "attempt"))


def release_one(task_id: str, attempt: int, *, worker_id: uuid.UUID) -> bool:
    """Release a task that its worker does not know of. Return whether it took."""
    rows = TaskStatus.objects.filter(may(states.RELEASE), task_id=task_id, attempt=attempt, worker_id=worker_id)
    with transaction.atomic():
        locked = by_keys(lock_free(rows))
        keep_starts(locked)
        return bool(locked.update(**pending_again()))


def release_unstarted(claims: Sequence[Claim]) -> set[str]:
    """Release claimed tasks that have not started. The caller publishes them for the next attempt.

    They have been due all the time, so `run_at` stays and the measured wait includes this one.

    Returns:
      The task ids that took. Missing are claims that do not hold any more and rows locked by another transaction.
    """
    wanted = {(claim.row_id, claim.attempt, claim.claim_id) for claim in claims}
    rows = TaskStatus.objects.filter(may(states.RELEASE), pk__in=[claim.row_id for claim in claims]).order_by("pk")
    with transaction.atomic():
        free = rows.select_for_update(skip_locked=True, no_key=True)
        taken = {
            pk: task_id
            for pk, attempt, claim_id, task_id in free.values_list("pk", "attempt", "claim_id", "task_id")
            if (pk, attempt, claim_id) in wanted
        }
        TaskStatus.objects.filter(pk__in=taken).update(**pending_again() | {"delayed": False, "run_at": F("run_at")})
    return set(taken.values())


def release_all(worker_id: uuid.UUID) -> int:
    """Release all tasks that a stopping worker process holds, without counting a retry. Return their number.

    A row that another transaction has locked is left to the relay: a stopping process cannot wait for it.
    """
    rows = TaskStatus.objects.filter(may(states.RELEASE), worker_id=worker_id)
    with transaction.atomic():
        locked = by_keys(lock_free(rows))
        keep_starts(locked)
        released: int = locked.update(**pending_again())
    return released


def rescue(worker_id: uuid.UUID, *, max_crashes: int) -> tuple[int, int]:
    """Take the tasks of a dead worker back.

    The first crash counts for every task that the worker held, since starts are written a moment late. From then on a
    task is claimed alone and its start is written before it runs, and a crash counts only if the task had started.
    That separates a task that kills its process from its innocent neighbours.

    Parameters:
      max_crashes: Worker crashes after which a task fails as poison.

    Returns:
      The number of tasks that are pending again, and of those that failed as poison.
    """
    with transaction.atomic():
        # Rows locked by another transaction come with a later pass. The relay must not wait for them.
        rows = list(
            TaskStatus.objects.filter(may(states.RESCUE), worker_id=worker_id)
            .select_for_update(skip_locked=True, no_key=True)
            .order_by("pk")
        )
        poisoned = [row for row in rows if row.started_at and row.crashes >= max_crashes - 1]
        suspected = [row for row in rows if row not in poisoned and (row.crashes == 0 or row.started_at)]
        innocent = [row for row in rows if row not in poisoned and row not in suspected]
        _keep_deaths(poisoned, states.POISON)
        _keep_deaths(suspected, states.RESCUE)
        fail(
            by_keys(poisoned),
            states.POISON,
            f"Its worker process died {max_crashes} times while it ran, so it is not run again.",
            crashes=F("crashes") + 1,
        )
        # The start of a task that its worker claimed lately may not be written yet.
        add_starts(
            (row.task_name, row.line, row.weight, row.started_at or ClockTimestamp())
            for row in (*suspected, *innocent)
            if row.line is not None and (row.started_at or row.crashes == 0)
        )
        by_keys(suspected).update(crashes=F("crashes") + 1, **pending_again())
        by_keys(innocent).update(**pending_again())
    return len(suspected) + len(innocent), len(poisoned)


def postpone(task_ids: Iterable[str], *, delay_ms: int) -> int:
    """Move the start of pending tasks. The relay publishes them then. Return their number.

    A task that expires has as long from its new start as it had from the old one.
    """
    run_at = ClockTimestamp(offset_ms=delay_ms)
    later = ExpressionWrapper(run_at - F("run_at"), output_field=DurationField())
    return TaskStatus.objects.filter(task_id__in=task_ids, status=states.PENDING).update(
        run_at=run_at,
        expires_at=ExpressionWrapper(F("expires_at") + later, output_field=DateTimeField()),
        delayed=True,
        in_line=False,
        updated_at=ClockTimestamp(),
    )


def put_off(task_ids: Iterable[str], *, delay_ms: int, patience_ms: int, reason: str) -> tuple[int, int]:
    """Postpone pending tasks that no worker can take, since a deploy may be in progress. Fail those that waited long.

    The first call notes the time in `unknown_since`. The end of an attempt that started clears it, the claim clears the
    reason.

    Parameters:
      delay_ms: Milliseconds until the relay publishes them again.
      patience_ms: Milliseconds since `unknown_since` after which a task fails.
      reason: Shown as `error_message` while the task waits, and when it failed.

    Returns:
      The number of tasks put off, and of those that failed. Rows locked by another transaction are left out.
    """
    now = ClockTimestamp()
    told = {"error_message": reason, "error_type": "", "cause": "", "traceback": "", "updated_at": now}
    with transaction.atomic():
        waiting = by_keys(lock_free(TaskStatus.objects.filter(may(states.REJECT), task_id__in=list(task_ids))))
        failed = fail(
            waiting.filter(may(states.REJECT), unknown_since__lte=ClockTimestamp(offset_ms=-patience_ms)),
            states.REJECT,
            reason,
        )
        put_off: int = waiting.filter(may(states.REJECT)).update(
            unknown_since=Coalesce("unknown_since", now),
            run_at=ClockTimestamp(offset_ms=delay_ms),
            delayed=True,
            in_line=False,
            **told,
        )
    return put_off, failed


def _keep_deaths(rows: Iterable[TaskStatus], move: states.Move) -> None:
    TaskAttempt.objects.bulk_create(
        [
            TaskAttempt(
                task=row,
                attempt=row.attempt,
                outcome=move.name,
                error_message=DIED,
                cause=cause_of(row.task_name, "", DIED),
                worker_id=row.worker_id,
                started_at=row.started_at,
                ended_at=ClockTimestamp(),
            )
            for row in rows
        ],
        ignore_conflicts=True,
    )
