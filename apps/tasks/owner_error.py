"""The error of a task, as users see it who may not see all tasks.

An exception's text may name tables, hosts and paths. So users see the texts of the exceptions that the actor `throws`,
which are written for them, and the sentences of the task system itself, such as the limit that a task went over. Any
other error is a sentence with the task's id, by which staff find the rest.
"""

from collections.abc import Iterator
from typing import Any

import dramatiq
from django.utils.translation import gettext

from apps.tasks.errors import OverLimitError
from apps.tasks.models import TaskStatus

#: Longest dotted name of a class that a row holds, from its end.
TYPE_LENGTH = TaskStatus._meta.get_field("error_type").max_length or 0


def of(task: TaskStatus) -> tuple[str, str]:
    """Return the error type and the error message that users see. Both are empty without an error."""
    known = _names(OverLimitError)
    if not task.error_message or not task.error_type or task.error_type in known | _thrown_by(task.task_name):
        return task.error_type, task.error_message
    told = gettext("Something went wrong on our side. If it happens again, tell support that it was task %(task_id)s.")
    return "", told % {"task_id": task.task_id}


def _thrown_by(actor_name: str) -> set[str]:
    """Return the dotted names of the classes that the actor `throws`, with those derived from them."""
    actor = dramatiq.get_broker().actors.get(actor_name)
    return _names(None if actor is None else actor.options.get("throws"))


def _names(throws: Any) -> set[str]:
    return {_name(found) for found in _classes(throws)}


def _classes(throws: Any) -> Iterator[type]:
    """Yield the classes of what `isinstance` takes: a class, or a tuple."""
    if isinstance(throws, tuple):
        for part in throws:
            yield from _classes(part)
    elif isinstance(throws, type):
        yield throws
        yield from _classes(tuple(type.__subclasses__(throws)))


def _name(found: type) -> str:
    """Return the dotted name of a class, as a row tells it."""
    name = found.__qualname__ if found.__module__ == "builtins" else f"{found.__module__}.{found.__qualname__}"
    return name[-TYPE_LENGTH:]
