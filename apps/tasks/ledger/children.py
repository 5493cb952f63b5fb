"""Tasks that are cancelled with the task that sent them.

A child follows once its parent is cancelled, not when that is requested: nothing more is sent by then, so no child is
missed.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Exists, OuterRef

from apps.tasks import states
from apps.tasks.ledger.rows import PAGE
from apps.tasks.models import TaskChild, TaskStatus
from apps.tasks.values import Send


def keep_children(sends: Iterable[Send]) -> None:
    """Note the parents of sends, in the transaction that inserts them."""
    children = [TaskChild(task_id=send.task_id, parent_id=send.parent_id) for send in sends if send.parent_id]
    TaskChild.objects.bulk_create(children, ignore_conflicts=True)


def cancel_children(parent_ids: Collection[str] | None = None) -> int:
    """Cancel the unfinished children of cancelled tasks. Return the number that are cancelled, or asked to be.

    The relay calls it without ids, for what died between a cancellation and this call.

    Parameters:
      parent_ids: Tasks that may have children. None: all.
    """
    from apps.tasks.ledger.operate import cancel_many

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


def forget_children() -> int:
    """Delete the notes of children that have ended, or are gone. Return their number."""
    unfinished = TaskStatus.objects.unfinished().filter(task_id=OuterRef("task_id"))
    found: int = TaskChild.objects.filter(~Exists(unfinished)).delete()[0]
    return found
