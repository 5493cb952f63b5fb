"""Arguments and results as people may see them: a mark stands for each value that is secret.

A value is secret if its name says so (`TASK_MASKED_NAMES`), at any depth, or its actor: `secret_args=("code",)`.
The rows keep the values, since the task needs them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from inspect import signature
from typing import Any

import dramatiq
from dramatiq import Actor

from apps.tasks import secret_names
from apps.tasks.conf import conf
from apps.tasks.values import GROUP_KEY, KEY_OPTION

#: Stands for a value that is not shown.
MASK = "***"
#: Depth of lists and dicts that is shown. A send allows a hundred.
DEEPEST = 110
#: Keys of a dict that is a message, such as the next one of a pipeline or the first argument of a callback.
OF_MESSAGE = frozenset({"actor_name", "args", "kwargs"})
#: Options that are no secrets, whatever their names.
HARMLESS_OPTIONS = frozenset({GROUP_KEY})
#: Characters of a secret text from which it is also replaced inside other texts. Shorter ones are parts of any word.
SHORTEST_REPLACED = 4


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Parameters of an actor.

    Parameters:
      positions: Names of those that may be given by position.
      others: Names of those that are given by name alone.
      rest, named_rest: Name of `*args` and of `**kwargs`. Empty: there is none.
    """

    positions: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    rest: str = ""
    named_rest: str = ""

    @classmethod
    def of(cls, actor: Actor[..., Any]) -> "Parameters":
        found = signature(actor.fn).parameters.values()
        return cls(
            positions=tuple(one.name for one in found if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)),
            others=tuple(one.name for one in found if one.kind is one.KEYWORD_ONLY),
            rest=next((one.name for one in found if one.kind is one.VAR_POSITIONAL), ""),
            named_rest=next((one.name for one in found if one.kind is one.VAR_KEYWORD), ""),
        )

    @property
    def names(self) -> list[str]:
        return [name for name in (*self.positions, *self.others, self.rest, self.named_rest) if name]


@lru_cache(maxsize=1024)
def parameters_of(actor: Actor[..., Any]) -> Parameters:
    """Return the parameters of an actor, read once."""
    return Parameters.of(actor)


# --- Names ---------------------------------------------------------------------------------------


def is_masked(actor_name: str | None, name: str) -> bool:
    """Return whether the values of an argument are not shown, so that nothing may search for them either.

    Parameters:
      actor_name: None: of any actor. All arguments of an actor that this code does not know are secret.
    """
    if secret_names.contains_one(name, conf.TASK_MASKED_NAMES):
        return True
    if actor_name is None:
        return any(_is_secret_of(actor, name) for actor in list(_actors().values()))
    actor = _actors().get(actor_name)
    return actor is None or _is_secret_of(actor, name)


def _is_secret_of(actor: Actor[..., Any], name: str) -> bool:
    secret = _secret_args(actor)
    if not secret:
        return False
    known = parameters_of(actor)
    return name in secret or (known.named_rest in secret and name not in known.positions + known.others)


def _actors() -> dict[str, Actor[..., Any]]:
    return dramatiq.get_broker().actors


def _secret_args(actor: Actor[..., Any]) -> tuple[str, ...]:
    found: tuple[str, ...] = actor.options.get("secret_args") or ()
    return found


# --- Values --------------------------------------------------------------------------------------


def shown(task: Any) -> tuple[Any, Any]:
    """Return the arguments of a task as people may see them: by position, and by name."""
    return arguments(task.task_name, task.args, task.kwargs)


def shown_result(task: Any) -> Any:
    """Return the result of a task as people may see it. Names that are secret arguments are secret in it, too."""
    actor = _actors().get(task.task_name)
    return _value(task.result, _secret_args(actor) if actor else ())


def shown_options(task: Any) -> Any:
    """Return the options of a task's message as people may see them."""
    if not isinstance(task.options, dict):
        return _value(task.options, ())
    found = _options(task.options, depth=0)
    if KEY_OPTION in found and holds_secret(task.task_name, task.args, task.kwargs):
        # It was made of the arguments.
        found[KEY_OPTION] = MASK
    return found


def shown_line(task: Any) -> str | None:
    """Return the key of the limit in whose line a task waits, as people may see it."""
    line: str | None = task.line
    return MASK if line and holds_secret(task.task_name, task.args, task.kwargs) else line


def holds_secret(actor_name: str, args: Any, kwargs: Any) -> bool:
    """Return whether a value of the arguments is secret. A key that is made of them may be so as well."""
    return arguments(actor_name, args, kwargs) != (_as_list(args), kwargs)


def arguments(actor_name: str, args: Any, kwargs: Any, *, depth: int = 0) -> tuple[Any, Any]:
    """Return arguments of an actor as people may see them. Nothing is known of an unknown one, so all is secret."""
    actor = _actors().get(actor_name) if isinstance(actor_name, str) else None
    args = _as_list(args)
    if actor is None:
        return (
            [MASK for _ in args] if isinstance(args, list) else MASK,
            dict.fromkeys(kwargs, MASK) if isinstance(kwargs, dict) else MASK,
        )
    known, secret = parameters_of(actor), _secret_args(actor)
    if isinstance(args, list):
        # A row may have more of them than the actor takes.
        names = [*known.positions, *[known.rest] * max(len(args) - len(known.positions), 0)]
        shown_args: Any = [
            MASK if not name or is_masked(actor_name, name) else _value(value, secret, depth + 1)
            for name, value in zip(names, args, strict=False)
        ]
    else:
        shown_args = MASK
    if not isinstance(kwargs, dict):
        return shown_args, MASK
    return shown_args, {
        name: MASK if is_masked(actor_name, name) else _value(value, secret, depth + 1)
        for name, value in kwargs.items()
    }


def restored(given: Any, stored: Any, masked: Any) -> Any:
    """Return values that were changed where people saw them, with the stored ones where the mark still stands.

    Parameters:
      masked: The stored values as people saw them.
    """
    if isinstance(given, str) and given == MASK == masked:
        return stored
    if isinstance(given, dict) and isinstance(stored, dict) and isinstance(masked, dict):
        return {
            name: restored(item, stored[name], masked[name]) if name in stored else item for name, item in given.items()
        }
    if isinstance(given, list) and isinstance(stored, list) and isinstance(masked, list):
        known = dict(enumerate(zip(stored, masked, strict=True)))
        return [restored(item, *known[place]) if place in known else item for place, item in enumerate(given)]
    return given


def any_value(value: Any) -> Any:
    """Return a value as people may see it that belongs to no argument. Its names tell."""
    return _value(value, ())


def _as_list(args: Any) -> Any:
    return list(args) if isinstance(args, tuple) else args


def _options(options: Mapping[str, Any], *, depth: int) -> dict[str, Any]:
    return {
        name: value if name in HARMLESS_OPTIONS else MASK if _is_secret(name, ()) else _value(value, (), depth + 1)
        for name, value in options.items()
    }


def _is_secret(name: Any, secret: tuple[str, ...]) -> bool:
    return name in secret or (isinstance(name, str) and secret_names.contains_one(name, conf.TASK_MASKED_NAMES))


def _value(value: Any, secret: tuple[str, ...], depth: int = 0) -> Any:
    """Return a value with the secret ones inside it masked.

    Parameters:
      secret: Further names that are secret.
    """
    if not isinstance(value, dict | list | tuple):
        return value
    if depth > DEEPEST:
        return MASK
    if not isinstance(value, dict):
        return [_value(item, secret, depth + 1) for item in value]
    if value.keys() >= OF_MESSAGE:
        return _message(value, depth)
    return {name: MASK if _is_secret(name, secret) else _value(item, secret, depth + 1) for name, item in value.items()}


def _message(message: dict[str, Any], depth: int) -> dict[str, Any]:
    """Return a message inside arguments or options: its arguments are those of another actor."""
    name = message["actor_name"]
    args, kwargs = arguments(name, message["args"], message["kwargs"], depth=depth + 1)
    others = {key: item for key, item in message.items() if key not in OF_MESSAGE}
    if isinstance(options := others.get("options"), dict):
        others["options"] = _options(options, depth=depth + 1)
    return {"actor_name": name, "args": args, "kwargs": kwargs, **_value(others, (), depth + 1)}


# --- Texts ---------------------------------------------------------------------------------------


def secret_texts(actor_name: str, args: Any, kwargs: Any) -> list[str]:
    """Return the secret values of arguments that are long enough to be found in an error or a log line."""
    found: set[str] = set()
    for value, masked in zip((_as_list(args), kwargs), arguments(actor_name, args, kwargs), strict=True):
        found.update(_secrets(value, masked))
    return sorted((text for text in found if len(text) >= SHORTEST_REPLACED), key=len, reverse=True)


def _secrets(value: Any, masked: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _secrets(item, masked[name] if isinstance(masked, dict) else MASK)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _secrets(item, masked[place] if isinstance(masked, list) else MASK)
    elif isinstance(masked, str) and masked == MASK and isinstance(value, str | int | float):
        yield str(value)


def without(secrets: Iterable[str], text: str) -> str:
    """Return a text with a mark in place of each of the secrets."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    return text
