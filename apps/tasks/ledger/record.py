"""Insert rows: sends and dead letters."""

from collections.abc import Callable, Iterable

from django.db import connection, transaction

from apps.tasks import statements, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.failures import cause_of
from apps.tasks.models import TaskStatus
from apps.tasks.values import Send

#: First number of PostgreSQL's advisory locks of senders. The second one comes from the name that is counted.
WAITING_LOCKS = 728_115_001


def record(sends: Iterable[Send], *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Insert a pending row for each send, in the caller's transaction.

    A known task id is left as it is. A task that runs twice therefore sends its follow-ups once.

    Parameters:
      meanwhile: Called once, if there is a send. It runs while the database writes where that is possible and must not
        use the database.
    """
    pending = list(sends)
    plain = [send for send in pending if send.line is None]
    if plain:
        statements.of_this_database().insert(plain, meanwhile=meanwhile)
    if len(plain) != len(pending):
        if not plain:
            meanwhile()
        with transaction.atomic(savepoint=False):
            statements.of_this_database().insert_limited([send for send in pending if send.line is not None])


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
                args=list(send.args),
                kwargs=send.kwargs,
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
