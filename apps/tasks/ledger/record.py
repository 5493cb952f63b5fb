"""Insert rows: sends and dead letters."""

from collections.abc import Callable, Iterable

from apps.tasks import statements, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.failures import cause_of
from apps.tasks.models import TaskStatus
from apps.tasks.values import Send


def record(sends: Iterable[Send], *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Insert a pending row for each send, in the caller's transaction.

    A known task id is left as it is. A task that runs twice therefore sends its follow-ups once.

    Parameters:
      meanwhile: Called once, if there is a send. It runs while the database writes where that is possible and must not
        use the database.
    """
    pending = list(sends)
    if pending:
        statements.of_this_database().insert(pending, meanwhile=meanwhile)


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
