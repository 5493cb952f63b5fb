"""Query pieces that several of the ledger's modules share."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import BooleanField, Case, ExpressionWrapper, F, Q, When

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.failures import cause_of
from apps.tasks.models import TaskStatus
from apps.tasks.signals import ended_by_ledger

#: Batch size for expiring, cancelling and retrying tasks.
PAGE = 1_000

#: Column values of a row that no worker holds.
UNCLAIMED: dict[str, Any] = {"claim_id": None, "worker_id": None, "claimed_at": None, "started_at": None}

#: Whether the task stands in line once it is due.
HAS_LINE = ExpressionWrapper(Q(line__isnull=False), output_field=BooleanField())


def may(move: states.Move) -> Q:
    """Return the condition for rows that a move may start from.

    A single state is compared with `=` instead of `IN`: SQLite uses an index over rows of that state only then.
    """
    return Q(status=move.sources[0]) if len(move.sources) == 1 else Q(status__in=move.sources)


def by_keys(rows: Iterable[TaskStatus]) -> Any:
    """Return a queryset of the same rows, by primary key."""
    return TaskStatus.objects.filter(pk__in=[row.pk for row in rows])


def lock_free(rows: Any, *, limit: int | None = None) -> list[TaskStatus]:
    """Lock the rows in key order and return them, without those that another transaction has locked.

    The caller runs again later and takes the others then.
    """
    return list(rows.select_for_update(skip_locked=True, no_key=True).order_by("pk").only("pk")[:limit])


def pending_again() -> dict[str, Any]:
    """Return the column values with which a claimed task becomes pending, due at once."""
    now = ClockTimestamp()
    return UNCLAIMED | {
        "status": states.PENDING,
        "attempt": F("attempt") + 1,
        # The relay publishes the row unless its holder does: the holder may be gone before it can.
        "delayed": True,
        "in_line": False,
        "run_at": now,
        # A task that has started was known.
        "unknown_since": Case(When(started_at=None, then=F("unknown_since")), default=None),
        "progress": 0,
        "progress_text": "",
        "updated_at": now,
    }


def expire(rows: Any) -> int:
    """Fail rows that expired before they started. Return their number."""
    return fail(rows, states.EXPIRE, "It was not started before it expired.")


def fail(rows: Any, move: states.Move, reason: str, **values: Any) -> int:
    """Fail the rows of a queryset for a reason that is no exception. Return their number.

    Parameters:
      values: Other columns to write.
    """
    now = ClockTimestamp()
    tell_ended(rows, move)
    count: int = 0
    for task_name in rows.order_by().values_list("task_name", flat=True).distinct():
        count += rows.filter(task_name=task_name).update(
            status=move.target,
            error_message=reason,
            error_type="",
            cause=cause_of(task_name, "", reason),
            traceback="",
            finished_at=now,
            updated_at=now,
            **values,
        )
    return count


def tell_ended(rows: Any, move: states.Move) -> None:
    """Let those who listen know of tasks that are about to be ended, once that is committed."""
    if ended_by_ledger.has_listeners(TaskStatus) and (task_ids := list(rows.values_list("task_id", flat=True))):
        send = partial(ended_by_ledger.send_robust, TaskStatus, task_ids=task_ids, move=move)
        transaction.on_commit(send, robust=True)
