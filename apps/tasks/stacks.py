"""Stacks of running tasks: staff ask for one, and the task's worker answers."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.errors import NotRunningError
from apps.tasks.models import TaskStack, TaskStatus
from apps.tasks.values import Frame

#: Seconds to wait for an answer. A worker looks for requests every `stack_requests.LOOK_SECONDS`.
PATIENCE_SECONDS = 3.0
#: Seconds between two looks for an answer.
LOOK_SECONDS = 0.1


class Request(NamedTuple):
    """A request that a worker has not answered."""

    row_id: int
    task_id: str
    attempt: int


# --- For those who ask ---


def ask(task: TaskStatus) -> None:
    """Ask the worker of a running task for its stack.

    Raises:
      NotRunningError: The task does not run.
    """
    row = TaskStatus.objects.filter(pk=task.pk).values("status", "started_at", "attempt", "worker_id").first()
    if row is None or row["status"] != states.PROCESSING:
        raise NotRunningError(_("The task does not run, so it has no stack."))
    if row["started_at"] is None or row["worker_id"] is None:
        raise NotRunningError(_("The task has not started, so it has no stack."))
    TaskStack.objects.update_or_create(
        task_id=task.pk,
        defaults={
            "attempt": row["attempt"],
            "worker_id": row["worker_id"],
            "requested_at": ClockTimestamp(),
            "answered_at": None,
            "frames": [],
        },
    )


def wait(task: TaskStatus, *, seconds: float | None = None) -> TaskStack | None:
    """Return the answer as soon as it is there. None: it is not within the time, or the task ended.

    Parameters:
      seconds: Seconds to wait at most. None: `PATIENCE_SECONDS`.
    """
    deadline = time.monotonic() + (PATIENCE_SECONDS if seconds is None else seconds)
    running = TaskStatus.objects.filter(pk=task.pk, status=states.PROCESSING)
    while True:
        is_running = running.exists()
        found = of(task)
        if found is not None and found.answered_at is not None:
            return found
        if not is_running or time.monotonic() >= deadline:
            return None
        time.sleep(LOOK_SECONDS)


def why_unanswered(task: TaskStatus) -> str:
    """Return why there is no answer, after a wait."""
    if not TaskStatus.objects.filter(pk=task.pk, status=states.PROCESSING).exists():
        return _("The task has ended.")
    return _("The worker has not answered. A call in C may hold Python's lock, or the process does not run.")


def of(task: TaskStatus) -> TaskStack | None:
    """Return the last request for the stack of a task."""
    return TaskStack.objects.filter(pk=task.pk).first()


def frames_of(stack: TaskStack) -> list[Frame]:
    """Return the frames of an answer, the outermost first."""
    return [Frame(**frame) for frame in stack.frames]


# --- For workers and relays ---


def unanswered(worker_id: uuid.UUID) -> list[Request]:
    """Return the requests that a worker has not answered."""
    found = TaskStack.objects.filter(worker_id=worker_id, answered_at=None)
    return [Request(*values) for values in found.values_list("pk", "task__task_id", "attempt")]


def answer(request: Request, frames: Sequence[Frame]) -> bool:
    """Record the stack of a task. Return whether it is still wanted."""
    rows: list[dict[str, Any]] = [asdict(frame) for frame in frames]
    found = TaskStack.objects.filter(pk=request.row_id, attempt=request.attempt, answered_at=None)
    return bool(found.update(answered_at=ClockTimestamp(), frames=rows))


def forget(*, older_than: timedelta) -> int:
    """Delete stacks that were requested longer ago than that. Return their number."""
    before = ClockTimestamp(offset_ms=-older_than.total_seconds() * 1000)
    return TaskStack.objects.filter(requested_at__lt=before).delete()[0]
