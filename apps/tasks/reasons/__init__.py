"""Reasons: why a task is where it is, in one sentence that is made of facts."""

from apps.tasks.models import TaskStatus
from apps.tasks.reasons import ended, held, pending
from apps.tasks.reasons.facts import Facts
from apps.tasks.reasons.reason import Page, Reason

__all__ = ["Facts", "Page", "Reason", "why"]


def why(task: TaskStatus, facts: Facts | None = None) -> Reason:
    """Return why a task waits, that a worker holds it, or how it ended.

    The number of queries does not grow with the number of tasks or workers, and each uses an index or reads a capped
    number of rows.

    Parameters:
      facts: Facts about the task, if the caller has read some.
    """
    facts = Facts(task) if facts is None else facts
    parts = (*pending.PARTS, pending.due) if task.status in pending.STATES else (held.of, ended.of)
    return next(reason for part in parts if (reason := part(facts)) is not None)
