"""Queues that the settings declare in `TASK_QUEUES`."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from apps.tasks.errors import TaskError, UnknownQueueError

#: Largest weight of a queue.
LARGEST_WEIGHT = 1_000
#: Largest `max_waiting`. A send counts as many rows, at most.
LARGEST_MAX_WAITING = 1_000_000
#: Characters of a queue's name, at most: the size of the column.
NAME_MAX_LENGTH = 100


class BadQueueError(TaskError, ImproperlyConfigured):
    """TASK_QUEUES['documents'] has weight=0, must be a whole number from 1 to 1,000"""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue as `TASK_QUEUES` declares it.

    Parameters:
      description: Its use, for people.
      max_waiting: Pending tasks that it takes. A send beyond them is refused. None: any number.
      weight: Its share of the threads of a worker process while other queues have waiting tasks, too.
    """

    description: str = ""
    max_waiting: int | None = None
    weight: int = 1


#: Names of the values of a queue.
VALUES = tuple(field.name for field in fields(Queue))


def declared(value: Any) -> dict[str, Queue]:
    """Return the queues of the setting `TASK_QUEUES`, by name. None of them: actors may name any queue.

    Raises:
      BadQueueError: It is no dict of names and values, or a value is wrong.
    """
    if not isinstance(value, Mapping):
        raise BadQueueError(
            f"TASK_QUEUES is {value!r:.80}, must be a dict such as "
            '{"documents": {"description": "Manuscripts", "max_waiting": 10_000, "weight": 3}}'
        )
    return {_name(name): _queue(name, values) for name, values in value.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX_LENGTH:
        raise BadQueueError(
            f"TASK_QUEUES has the queue {name!r:.80}, a name must be a text of 1 to {NAME_MAX_LENGTH} characters"
        )
    return name


def _queue(name: str, values: Any) -> Queue:
    if isinstance(values, Queue):
        values = {value: getattr(values, value) for value in VALUES}
    if not isinstance(values, Mapping):
        raise BadQueueError(f"TASK_QUEUES[{name!r}] is {values!r:.80}, must be a dict with any of: {', '.join(VALUES)}")
    for key in values:
        if key not in VALUES:
            raise BadQueueError(
                f"TASK_QUEUES[{name!r}] has {key!r:.80}, must be one of: {', '.join(VALUES)}{did_you_mean(key, VALUES)}"
            )
    queue = Queue(**values)
    if not isinstance(queue.description, str):
        raise BadQueueError(f"TASK_QUEUES[{name!r}] has description={queue.description!r:.80}, must be a text")
    if reason := why_no_max_waiting(queue.max_waiting):
        raise BadQueueError(f"TASK_QUEUES[{name!r}] has max_waiting={queue.max_waiting!r:.80}, {reason}")
    if type(queue.weight) is not int or not 1 <= queue.weight <= LARGEST_WEIGHT:
        raise BadQueueError(f"TASK_QUEUES[{name!r}] has weight={queue.weight!r:.80}, {A_WEIGHT}")
    return queue


#: Words for a right weight.
A_WEIGHT = f"must be a whole number from 1 to {LARGEST_WEIGHT:,}"


def why_no_max_waiting(value: Any) -> str:
    """Return in words what a `max_waiting` must be. Empty: this one is right."""
    if value is None or (type(value) is int and 1 <= value <= LARGEST_MAX_WAITING):
        return ""
    return f"must be a whole number from 1 to {LARGEST_MAX_WAITING:,}, or None for any number"


def check_known(name: str, known: Collection[str], *, of: str = "") -> None:
    """Check that a queue is among the known ones.

    Parameters:
      of: Actor that names it.

    Raises:
      UnknownQueueError: It is not. The message has the known names, and the closest of them.
    """
    if name not in known:
        subject = f"The actor {of!r} is on the unknown queue" if of else "Unknown queue"
        raise UnknownQueueError(
            f"{subject} {name!r}, must be one of: {', '.join(sorted(known))}{did_you_mean(name, known)}"
        )


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Return a sentence with the known name that is closest to a wrong one. Empty: none is close."""
    close = get_close_matches(name, list(known), n=1) if isinstance(name, str) else []
    return f" (did you mean {close[0]!r}?)" if close else ""
