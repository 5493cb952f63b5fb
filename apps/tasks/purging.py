"""Purge a queue: cancel all of its tasks that wait."""

from array import array
from typing import Any, NamedTuple

from apps.tasks import actions, audit, states
from apps.tasks.models import TaskStatus

#: Tasks that are cancelled at once, at most. The same number is counted before the question. A task cancels more.
MOST = 10_000
#: Columns by the kind of what is paused.
COLUMNS = {"queue": "queue_name", "actor": "task_name"}


class Unfinished(NamedTuple):
    """Unfinished tasks of a queue or an actor.

    Parameters:
      waiting, running: Their numbers, up to `MOST` and one more.
      newest: Row id of the newest task that waits. 0: none does.
    """

    waiting: int
    running: int
    newest: int


class Purged(NamedTuple):
    """What a purge did.

    Parameters:
      number: Number of the tasks that were cancelled, or that are going to be.
      task_id: Id of the task that cancels them. Empty: it is done.
    """

    number: int
    task_id: str = ""


def unfinished_of(kind: str, name: str) -> Unfinished:
    """Return what waits and what runs."""
    rows = TaskStatus.objects.filter(**{COLUMNS[kind]: name})
    running = rows.filter(status=states.PROCESSING).order_by()[: MOST + 1].count()
    waiting = _waiting(rows)
    newest: int | None = waiting.order_by("-pk").first()
    return Unfinished(waiting=waiting.order_by()[: MOST + 1].count(), running=running, newest=newest or 0)


def purge(queue_name: str, *, by: audit.By, why: str = "", newest: int | None = None) -> Purged:
    """Cancel the tasks that wait in a queue, in pages. If they are more than `MOST`, send a task that does it.

    A task that another transaction has locked, or that a worker takes meanwhile, is left.

    Parameters:
      newest: Row id of the newest task that is meant. None: all of now.
    """
    rows = TaskStatus.objects.filter(queue_name=queue_name)
    row_ids = array("q", _waiting(rows if newest is None else rows.filter(pk__lte=newest)).iterator(chunk_size=MOST))
    meant: dict[str, Any] = {"by": by, "reason": why, "target": f"queue:{queue_name}"}
    if len(row_ids) > MOST:
        from apps.tasks import tasks  # Not at the top: a project whose broker is not ours cannot declare its actors.

        return Purged(len(row_ids), tasks.start(actions.PURGE, row_ids, number=len(row_ids), **meant))
    done = actions.run(actions.PURGE, row_ids, **meant)
    return Purged(sum(map(len, done.values())))


def _waiting(rows: Any) -> Any:
    """Return the row ids of those that wait, the oldest first."""
    return rows.filter(status=states.PENDING).order_by("pk").values_list("pk", flat=True)
