"""Notes of tasks that are cancelled with the task that sent them. `operate` cancels them."""

from collections.abc import Iterable

from django.db.models import Exists, OuterRef

from apps.tasks.models import TaskChild, TaskStatus
from apps.tasks.values import Send


def keep_children(sends: Iterable[Send]) -> None:
    """Note the parents of sends, in the transaction that inserts them."""
    children = [TaskChild(task_id=send.task_id, parent_id=send.parent_id) for send in sends if send.parent_id]
    TaskChild.objects.bulk_create(children, ignore_conflicts=True)


def forget_children() -> int:
    """Delete the notes of children that have ended, or are gone. Return their number."""
    unfinished = TaskStatus.objects.unfinished().filter(task_id=OuterRef("task_id"))
    found: int = TaskChild.objects.filter(~Exists(unfinished)).delete()[0]
    return found
