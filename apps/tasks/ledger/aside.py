"""Put the tasks of paused actors aside, and take them back.

A task that is set aside stands in line without a line of its own: nothing publishes it, and no worker may claim it.
"""

from collections.abc import Collection, Sequence

from django.db import transaction

from apps.tasks.clock import ClockTimestamp
from apps.tasks.ledger.relay import Waiting
from apps.tasks.models import TaskStatus

#: Tasks that are taken back in one transaction.
ASIDE_PAGE = 500


def set_aside(attempts: Sequence[tuple[str, int]], *, task_names: Collection[str]) -> int:
    """Set the due tasks of some actors aside, before a claim. Return their number.

    A limited task is back in its line. A row that another transaction has locked is left out.

    Parameters:
      attempts: Pairs of task id and attempt, from the messages.
    """
    wanted = set(attempts)
    rows = TaskStatus.objects.due().filter(
        task_id__in=[task_id for task_id, _ in attempts], task_name__in=task_names, in_line=False
    )
    if not rows.exists():
        return 0
    with transaction.atomic():
        free = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
        found = [
            pk for pk, task_id, attempt in free.values_list("pk", "task_id", "attempt") if (task_id, attempt) in wanted
        ]
        return TaskStatus.objects.filter(pk__in=found).update(in_line=True, delayed=False, updated_at=ClockTimestamp())


def take_back(task_name: str) -> list[Waiting]:
    """Take back the first tasks of an actor that is not paused any more, each for one relay alone.

    The caller publishes them after the commit. Up to `ASIDE_PAGE` of them: there may be more.
    """
    with transaction.atomic():
        rows = TaskStatus.objects.in_line().filter(task_name=task_name, line=None).order_by("priority", "pk")
        free = rows.select_for_update(skip_locked=True, no_key=True).values_list(*Waiting._fields)
        found = [Waiting(*row) for row in free[:ASIDE_PAGE]]
        if found:
            TaskStatus.objects.filter(pk__in=[row.pk for row in found]).update(in_line=False)
    return found
