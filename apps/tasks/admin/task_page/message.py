"""The message of a task: its arguments by the names of the actor's parameters, and as Redis gets it."""

import inspect
from collections.abc import Iterator
from typing import Any

import dramatiq

from apps.tasks.admin import elements
from apps.tasks.models import TaskStatus

#: Stands for what is not shown.
MARK = "***"


def given(task: TaskStatus) -> tuple[Any, Any]:
    """Return the arguments as people may see them."""
    return task.args, task.kwargs


def arguments(task: TaskStatus) -> list[tuple[str, Any]]:
    """Return name and value of each argument. The name is empty where this code does not know it."""
    args, kwargs = given(task)
    if not isinstance(args, list) or not isinstance(kwargs, dict):  # Another program wrote the row.
        return [("", elements.json_block(value)) for value in (args, kwargs) if value]
    names = list(_names(task.task_name))
    named = [(names[place] if place < len(names) else "", value) for place, value in enumerate(args)]
    return [(name, elements.json_block(value)) for name, value in [*named, *kwargs.items()]]


def _names(task_name: str) -> Iterator[str]:
    """Yield the names of an actor's positional parameters, as far as its code is here."""
    actor = dramatiq.get_broker().actors.get(task_name)
    if actor is None:
        return
    for parameter in inspect.signature(actor.fn).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            return
        yield parameter.name


def as_redis_gets_it(task: TaskStatus) -> dict[str, Any]:
    """Return the message of the current attempt."""
    args, kwargs = given(task)
    options = _without_arguments(task.options) if isinstance(task.options, dict) else {}
    options = {**options, "redis_message_id": f"{task.task_id}:{task.attempt}", "attempt": task.attempt}
    if task.retries:
        options["retries"] = task.retries
    return {
        "queue_name": task.queue_name,
        "actor_name": task.task_name,
        "args": args,
        "kwargs": kwargs,
        "options": options,
        "message_id": task.task_id,
        "message_timestamp": int(task.created_at.timestamp() * 1000),
    }


def _without_arguments(value: Any) -> Any:
    """Return options in which a mark stands for the arguments of other messages, such as the next in a pipeline."""
    if isinstance(value, list):
        return [_without_arguments(part) for part in value]
    if not isinstance(value, dict):
        return value
    found = {name: _without_arguments(part) for name, part in value.items()}
    return found | {name: MARK for name in ("args", "kwargs") if name in found and "actor_name" in found}
