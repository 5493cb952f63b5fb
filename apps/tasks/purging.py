"""Purge a queue: cancel all of its tasks that wait."""

from typing import Any, NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from apps.tasks import audit, ledger, states
from apps.tasks.errors import PurgeError
from apps.tasks.models import TaskStatus

#: Tasks that are cancelled at once, at most. The same number is counted before the question.
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


def unfinished_of(kind: str, name: str) -> Unfinished:
    """Return what waits and what runs."""
    rows = TaskStatus.objects.filter(**{COLUMNS[kind]: name})
    running = rows.filter(status=states.PROCESSING).order_by()[: MOST + 1].count()
    waiting = _waiting(rows)
    return Unfinished(waiting=len(waiting), running=running, newest=waiting[-1] if waiting else 0)


def purge(queue_name: str, *, by: audit.By, why: str = "", newest: int | None = None) -> int:
    """Cancel the tasks that wait in a queue, in chunks. Return their number.

    A task that another transaction has locked, or that a worker takes meanwhile, is left.

    Parameters:
      newest: Row id of the newest task that is meant. None: all of now.

    Raises:
      PurgeError: More wait than `MOST`. None was cancelled.
    """
    rows = TaskStatus.objects.filter(queue_name=queue_name)
    row_ids = _waiting(rows if newest is None else rows.filter(pk__lte=newest))
    if len(row_ids) > MOST:
        raise PurgeError(too_many())
    entry = audit.note("purge", by=by, target=f"queue:{queue_name}", reason=why, total=len(row_ids))
    number = 0
    for start in range(0, len(row_ids), ledger.PAGE):
        with transaction.atomic():
            cancelled, requested = ledger.cancel_many(row_ids[start : start + ledger.PAGE])
            audit.note_more(entry, {"cancel": cancelled, "request_cancel": requested})
        number += len(cancelled) + len(requested)
    return number


def too_many() -> str:
    """Return the sentence that refuses to purge a long queue."""
    return _(
        "More than %(most)s tasks wait in the queue, too many to cancel at once. Pause it, filter the list of tasks by "
        "the queue, and cancel them from there."
    ) % {"most": f"{MOST:,}"}


def _waiting(rows: Any) -> list[int]:
    """Return the row ids of those that wait, the oldest first, up to `MOST` and one more."""
    return list(rows.filter(status=states.PENDING).order_by("pk").values_list("pk", flat=True)[: MOST + 1])
