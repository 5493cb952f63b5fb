"""The message of a task: its arguments by the names of the actor's parameters, and as Redis gets it."""

from typing import Any

import dramatiq

from apps.tasks import masking
from apps.tasks.admin import elements
from apps.tasks.models import TaskStatus


def arguments(task: TaskStatus) -> list[tuple[str, Any]]:
    """Return name and value of each argument. The name is empty where this code does not know it."""
    args, kwargs = masking.shown(task)
    if not isinstance(args, list) or not isinstance(kwargs, dict):  # Another program wrote the row.
        return [("", elements.json_block(value)) for value in (args, kwargs) if value]
    actor = dramatiq.get_broker().actors.get(task.task_name)
    names = () if actor is None else masking.parameters_of(actor).positions
    named = [(names[place] if place < len(names) else "", value) for place, value in enumerate(args)]
    return [(name, elements.json_block(value)) for name, value in [*named, *kwargs.items()]]


def as_redis_gets_it(task: TaskStatus) -> dict[str, Any]:
    """Return the message of the current attempt."""
    args, kwargs = masking.shown(task)
    shown = masking.shown_options(task)
    options = _without_arguments(shown) if isinstance(shown, dict) else {}
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
    return found | {name: masking.MASK for name in ("args", "kwargs") if name in found and "actor_name" in found}
