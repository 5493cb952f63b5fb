"""Insert rows: sends and dead letters."""

from collections.abc import Callable, Iterable, Sequence

from django.db import connection, transaction

from apps.tasks import statements, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.failures import cause_of
from apps.tasks.json_safe import from_compact
from apps.tasks.ledger import keys
from apps.tasks.ledger.children import keep_children
from apps.tasks.models import TaskStatus
from apps.tasks.values import Send

#: First number of PostgreSQL's advisory locks of senders. The second one comes from the name that is counted.
WAITING_LOCKS = 728_115_001


def record(
    sends: Iterable[Send], *, meanwhile: Callable[[Sequence[Send]], object] = len, at_once: bool | None = None
) -> dict[int, str]:
    """Insert a pending row for each send, in the caller's transaction.

    A known task id is left as it is. A task that runs twice therefore sends its follow-ups once. A unique send inserts
    nothing if another task stands for it.

    Parameters:
      meanwhile: Called once with the sends that are inserted, if there are any. It runs while the database writes where
        that is possible and must not use the database.
      at_once: The caller's other writes are committed by now, and the sends are right after. None: if no transaction is
        open.

    Returns:
      The sends that are not new: for each, by its position, the id of the task that it is.
    """
    pending = list(sends)
    if any(send.parent_id for send in pending):
        with transaction.atomic():
            known = _record(pending, meanwhile, at_once)
            keep_children(send for position, send in enumerate(pending) if position not in known)
        return known
    return _record(pending, meanwhile, at_once)


def _record(
    pending: Sequence[Send], meanwhile: Callable[[Sequence[Send]], object], at_once: bool | None
) -> dict[int, str]:
    if any(send.unique for send in pending):
        if at_once is None:
            at_once = transaction.get_autocommit()
        with transaction.atomic():
            new, known = keys.settle(pending, at_once=at_once)
            found = _insert(pending, new, meanwhile, known)
            keys.give_up(pending[position] for position in found)
            return known | found
    return _insert(pending, pending, meanwhile, {}) if pending else {}


def _insert(
    sends: Sequence[Send], new: Sequence[Send], meanwhile: Callable[[Sequence[Send]], object], known: dict[int, str]
) -> dict[int, str]:
    """Insert the new ones of the sends. Return those whose task id had a row, by position."""
    if not new:
        return {}
    inserted = statements.of_this_database().insert(new, meanwhile=lambda: meanwhile(new))
    if inserted is None:
        return {}
    found: dict[int, str] = {}
    for position, send in enumerate(sends):
        if position not in known:
            if send.task_id in inserted:
                # Sent twice at once, it is new once.
                inserted.remove(send.task_id)
            else:
                found[position] = send.task_id
    return found


def record_new(sends: Sequence[Send], *, meanwhile: Callable[[], object]) -> None:
    """Insert a pending row for each send, of which none is unique or has a parent.

    Parameters:
      meanwhile: As in `record`.

    Raises:
      IntegrityError: A task id is known.
    """
    statements.of_this_database().insert(sends, meanwhile=meanwhile, are_new=True)


def count_waiting(column: str, name: str, *, limit: int) -> int:
    """Return the number of pending tasks of a queue or an actor, up to the limit. Those of the open transaction count.

    Parameters:
      column: "queue_name" or "task_name".
    """
    rows = TaskStatus.objects.filter(status=states.PENDING, **{column: name})
    return rows.order_by()[:limit].count()


def lock_waiting(column: str, name: str) -> None:
    """Let the other senders that count the same tasks wait for the end of this transaction.

    SQLite has one writer at a time anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [WAITING_LOCKS, f"{column} {name}"])


def dead_letter(send: Send, *, reason: str) -> bool:
    """Record a message without a row of ours as a failed task. Return whether the row is new."""
    now = ClockTimestamp()
    known = TaskStatus.objects.filter(task_id=send.task_id).exists()
    TaskStatus.objects.bulk_create(
        [
            TaskStatus(
                task_id=send.task_id,
                task_name=send.task_name,
                queue_name=send.queue_name,
                args=from_compact(send.args),
                kwargs=from_compact(send.kwargs),
                options=send.options,
                status=states.FAILED,
                error_message=reason,
                cause=cause_of(send.task_name, "", reason),
                run_at=now,
                finished_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    return not known
