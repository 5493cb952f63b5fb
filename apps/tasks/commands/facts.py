"""Facts about tasks: found by their ids, and as JSON and text."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.tasks import failures, states
from apps.tasks.commands import WRONG
from apps.tasks.commands.screen import CYAN, DIM, GREEN, RED, YELLOW
from apps.tasks.duration import in_words
from apps.tasks.models import TaskStatus

#: Characters of an id that tell a task, at least: the beginning, as the log lines of a terminal have it.
LEAST_LENGTH = 6
#: Tasks that an ambiguous id lists.
MOST_ALIKE = 5
#: Columns that lines and tables do not show. They may be large.
LARGE = ("args", "kwargs", "options", "result", "traceback")

COLOURS: dict[str, tuple[int, ...]] = {
    states.PENDING: (YELLOW,),
    states.PROCESSING: (CYAN,),
    states.COMPLETED: (GREEN,),
    states.FAILED: (RED,),
    states.CANCELLED: (DIM,),
}


class UnknownTaskError(CommandError):
    """Unknown task '5f1d'"""


def find(task_id: str) -> TaskStatus:
    """Return a task by its id, or by the beginning of it.

    Raises:
      UnknownTaskError: There is none.
      CommandError: There are several.
    """
    found = TaskStatus.objects.defer(*LARGE).filter(task_id=task_id).first()
    if found is not None:
        return found
    alike = list(TaskStatus.objects.defer(*LARGE).filter(_beginning(task_id)).order_by("task_id")[: MOST_ALIKE + 1])
    if not alike or len(task_id) < LEAST_LENGTH:
        raise UnknownTaskError(f"Unknown task {task_id!r}", returncode=WRONG)
    if len(alike) > 1:
        names = ", ".join(task.task_id for task in alike[:MOST_ALIKE])
        raise CommandError(
            f"Several tasks begin with {task_id!r}: {names}{', ...' if len(alike) > MOST_ALIKE else ''}",
            returncode=WRONG,
        )
    return alike[0]


def find_all(task_ids: Sequence[str]) -> list[TaskStatus]:
    """Return tasks by their ids, each once and in this order.

    Raises:
      CommandError: One is unknown.
    """
    tasks: dict[str, TaskStatus] = {}
    unknown = []
    for task_id in task_ids:
        try:
            task = find(task_id)
        except UnknownTaskError:
            unknown.append(repr(task_id))
        else:
            tasks[task.task_id] = task
    if unknown:
        raise CommandError(f"Unknown task: {', '.join(unknown)}. Nothing was changed.", returncode=WRONG)
    return list(tasks.values())


def _beginning(text: str) -> Q:
    """Return the condition for ids that begin with a text. Each database has another one that uses its index."""
    if connection.vendor == "sqlite":
        return Q(task_id__gte=text, task_id__lt=text + "\U0010ffff")
    return Q(task_id__startswith=text)


def loaded(rows: QuerySet[TaskStatus]) -> list[TaskStatus]:
    """Return rows without their large columns."""
    return list(rows.defer(*LARGE))


def of(task: TaskStatus) -> dict[str, Any]:
    """Return a task as an object of JSON, without its large columns."""
    return {
        "id": task.task_id,
        "actor": task.task_name,
        "status": task.status,
        "progress": task.progress,
        "progress_text": task.progress_text,
        "queue": task.queue_name,
        "priority": task.priority,
        "attempt": task.attempt,
        "retries": task.retries,
        "created_at": iso(task.created_at),
        "run_at": iso(task.run_at),
        "started_at": iso(task.started_at),
        "finished_at": iso(task.finished_at),
        "cancel_requested_at": iso(task.cancel_requested_at),
        "error_type": task.error_type,
        "error": task.error_message,
        "cause": task.cause,
        "owner_id": task.owner_id,
        "related_object": related(task),
    }


def related(task: TaskStatus) -> str | None:
    """Return the object that a task works on, such as `documents.Document 7`."""
    return None if task.related_object_id is None else f"{task.related_object_type} {task.related_object_id}"


def iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def error_line(task: TaskStatus) -> str:
    """Return the first line of its last failure, with the class."""
    return failures.in_words(task.error_type, task.error_message).partition("\n")[0]


def state(task: TaskStatus) -> str:
    """Return its state in a word."""
    if task.status == states.PENDING:
        if task.in_line:
            return "limited"
        if task.delayed:
            return "retrying" if task.retries else "delayed"
        return "waiting"
    if task.status == states.PROCESSING:
        return "stopping" if task.cancel_requested_at else "running"
    return task.status


#: Colours of the words of `state`.
STATE_COLOURS = {
    **dict.fromkeys(("waiting", "delayed", "limited", "retrying"), COLOURS[states.PENDING]),
    **dict.fromkeys(("running", "stopping"), COLOURS[states.PROCESSING]),
    **COLOURS,
}


def ago(time: datetime | None) -> str:
    """Return a time in the past as a distance from now: `3 min`."""
    return "-" if time is None else in_words(timezone.now() - time)


def distance(time: datetime) -> str:
    """Return a time as a distance from now: `3 min 5 s ago`, `in 2 h 10 min`."""
    now = timezone.now()
    return f"in {in_words(time - now)}" if time > now else f"{in_words(now - time)} ago"


def ran(task: TaskStatus) -> timedelta | None:
    """Return for how long its last attempt has run. None: it has not started."""
    if task.started_at is None or task.status == states.PENDING:
        return None
    return (task.finished_at or timezone.now()) - task.started_at
