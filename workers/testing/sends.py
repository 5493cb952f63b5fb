"""Tasks that were sent, as a test asks for them."""

import inspect
from typing import Any, Protocol

import dramatiq
from dramatiq import Actor

from apps.tasks.json_safe import json_safe
from apps.tasks.models import TaskStatus
from workers.testing.errors import MisuseError


class DjangoTask(Protocol):
    """A task of Django's Tasks API, whichever package has the API."""

    @property
    def module_path(self) -> str:
        """Dotted path of its function."""


#: Parameters of the functions here.
Sendable = Actor[..., Any] | DjangoTask

#: Tasks that an error lists.
LISTED = 20


def sent(actor: Sendable | None = None, /, *args: Any, **kwargs: Any) -> list[TaskStatus]:
    """Return the tasks of an actor that were sent with these arguments, in their order, whatever became of them.

    Parameters:
      actor: None: tasks of all actors.
      args, kwargs: Some of the arguments. One that is given by name is found if it was sent by position, too.

    Raises:
      MisuseError: The actor is none, or has no such parameter.
    """
    if actor is None:
        if args or kwargs:
            raise MisuseError("sent() needs an actor to look for arguments: sent(actor, ...)")
        return list(TaskStatus.objects.order_by("pk"))
    actor = checked(actor)
    wanted = {name: _as_json(value) for name, value in _bound(actor, args, kwargs).items()}
    rows = TaskStatus.objects.filter(task_name=actor.actor_name).order_by("pk")
    return [row for row in rows if _has(row, actor, wanted)]


def assert_sent(actor: Sendable, /, *args: Any, **kwargs: Any) -> TaskStatus:
    """Return the last task of an actor that was sent with these arguments.

    Raises:
      AssertionError: None was. It lists those that were sent.
      MisuseError: As `sent`.
    """
    actor = checked(actor)
    found = sent(actor, *args, **kwargs)
    if not found:
        raise AssertionError(f"{_searched(actor.actor_name, args, kwargs)} was not sent. {_listed(sent())}")
    return found[-1]


def refute_sent(actor: Sendable, /, *args: Any, **kwargs: Any) -> None:
    """Check that no task of an actor was sent with these arguments.

    Raises:
      AssertionError: One was.
      MisuseError: As `sent`.
    """
    actor = checked(actor)
    if found := sent(actor, *args, **kwargs):
        raise AssertionError(f"{_searched(actor.actor_name, args, kwargs)} was sent. {_listed(found)}")


def checked(actor: Any) -> Actor[..., Any]:
    """Return the actor, or that of a task of Django's API. Raises: MisuseError: It is none."""
    if isinstance(actor, Actor):
        return actor
    found = dramatiq.get_broker().actors.get(getattr(actor, "module_path", ""))
    if found is None:
        raise MisuseError(
            "The first argument must be an actor or a task, the function under @dramatiq.actor or @task, not "
            f"{actor!r}."
        )
    return found


def _bound(actor: Actor[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return some arguments by the names of their parameters."""
    signature = inspect.signature(actor.fn)
    try:
        return dict(signature.bind_partial(*args, **kwargs).arguments)
    except TypeError as error:
        raise MisuseError(f"{actor.actor_name}{signature} cannot have these arguments: {error}.") from None


def _has(row: TaskStatus, actor: Actor[..., Any], wanted: dict[str, Any]) -> bool:
    if not wanted:
        return True
    try:
        given = _bound(actor, tuple(row.args), row.kwargs)
    except MisuseError:  # Recorded for another signature.
        return False
    given = {name: _as_json(value) for name, value in given.items()}
    return all(name in given and value == given[name] for name, value in wanted.items())


def _as_json(value: Any) -> Any:
    """Return a value as JSON carries it. One that JSON does not know, such as `mock.ANY`, compares itself."""
    try:
        return json_safe(value)
    except (TypeError, ValueError):
        return value


def _listed(rows: list[TaskStatus]) -> str:
    if not rows:
        return "No task was sent."
    calls = [_call(row.task_name, tuple(row.args), row.kwargs) for row in rows[-LISTED:]]
    return f"Sent ({len(rows)}): {', '.join(calls)}"


def _searched(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return what was looked for. Without arguments it is any task of the actor."""
    return _call(name, args, kwargs) if args or kwargs else name


def _call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return f"{name}({', '.join([*map(repr, args), *(f'{key}={value!r}' for key, value in kwargs.items())])})"
