"""Checks the arguments of a message at the send, where they can still be mended."""

import difflib
import inspect
import math
import uuid
from functools import lru_cache
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from dramatiq import Actor, Message

from apps.tasks.errors import BadArgumentsError, TooLargeError
from apps.tasks.json_safe import COMPACT, is_clean
from workers.sending import annotations
from workers.sending.times import TIMES, check_time, shown, whole_number
from workers.wire.message import MAX_ID_LENGTH

#: Bits of an integer in an argument, at most. Python reads no longer ones from JSON: 4,300 digits.
MAX_INTEGER_BITS = 14_000
#: Limits of the columns of integers.
INTEGER_LIMIT = 2**31
BIG_INTEGER_LIMIT = 2**63
#: Options of a message that are numbers, where it has them.
NUMBERS = ("max_age", "max_retries", "min_backoff", "max_backoff", "time_limit")
#: Options of a message that others check: `owner_key`, `priority_of`, the limits and `workers.sending.unique`.
CHECKED_ELSEWHERE = ("owner_id", "priority", "weight", "unique", "while_", "debounce", "debounce_max")
#: Options of a message that hold messages: the next of a pipeline, the callbacks of a group.
FOLLOWING = ("pipe_target", "group_completion_callbacks")

#: Depth of lists and dicts in an argument, at most. JSON is written by recursion, and Python allows about a thousand.
MAX_DEPTH = 100

#: Types of values that need no look of their own in a JSON text of at most so many characters, if no character in it is
#: odd. An integer of more than `MAX_INTEGER_BITS` has more of them.
PLAIN = frozenset({int, str, bool, type(None)})
PLAIN_LENGTH = 4_000
#: Arguments of a message whose types are remembered, at most.
PLAIN_ARGUMENTS = 20

#: Arguments and characters of their names that a log line has, at most.
SHOWN_ARGUMENTS = 20
SHOWN_NAME_LENGTH = 50


@lru_cache(maxsize=1024)
def _signature(actor: Actor[..., Any]) -> inspect.Signature:
    return inspect.signature(actor.fn)


@lru_cache(maxsize=1024)
def _positional(actor: Actor[..., Any]) -> tuple[tuple[str, ...], int]:
    """Return the names of the positional parameters, and the least number of arguments.

    If the actor requires a keyword-only argument, no number of positions is enough.
    """
    parameters = _signature(actor).parameters.values()
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    required = [one for one in named if one.default is one.empty]
    positions = tuple(one.name for one in named if one.kind is not one.KEYWORD_ONLY)
    if any(one.kind is one.KEYWORD_ONLY for one in required):
        return positions, len(positions) + 1
    return positions, len(required)


class Checked(NamedTuple):
    """Arguments that an actor can be called with.

    Parameters:
      first: Value of the actor's first parameter. None: the message has no arguments.
      args, kwargs: JSON texts.
    """

    first: Any
    args: str
    kwargs: str


def check(actor: Actor[..., Any], message: Message[Any], *, options: dict[str, Any], max_bytes: int) -> Checked:
    """Check that the actor can be called with the message's arguments and that JSON can carry them.

    Parameters:
      options: Options of the message, as `plain_options` returns them.

    Raises:
      BadArgumentsError: An argument is missing or unknown, of another type than the actor's function says, or JSON does
        not know a value.
      TooLargeError: The arguments as JSON have more than `max_bytes`.
    """
    found = _checked_plain(actor, message)
    if found is None:
        by_name = bound(actor, message)
        for position, value in enumerate(message.args):
            check_value(actor.actor_name, f"argument {position + 1}", value)
        for name, value in message.kwargs.items():
            check_value(actor.actor_name, f"argument {name!r}", value)
        annotations.check(actor, by_name)
    for name, value in options.items():
        if name in NUMBERS and value is not None:
            whole_number(actor.actor_name, f"option {name!r}", value)
        elif name in TIMES:
            if value is not None:
                check_time(actor.actor_name, name, value)
        elif name not in CHECKED_ELSEWHERE:
            check_value(actor.actor_name, f"option {name!r}", value)
            if name in FOLLOWING:
                _check_numbers_of_following(actor, value)
    if found is None:
        first = next(iter(by_name.values()), None)
        found = Checked(first, COMPACT.encode(message.args), COMPACT.encode(message.kwargs))
    size = len(found.args) + len(found.kwargs) + len("[,]")
    if size > max_bytes:
        raise TooLargeError(
            f"the arguments for {actor.actor_name} have {size:,} bytes as JSON, at most {max_bytes:,} are allowed "
            "(TASK_MAX_ARGUMENT_BYTES). Store the data and send its id."
        )
    return found


def _checked_plain(actor: Actor[..., Any], message: Message[Any]) -> Checked | None:
    """Return the arguments if they are plain values, as nearly always. None: they must be checked one by one."""
    args = message.args
    if message.kwargs or len(args) > PLAIN_ARGUMENTS or not _is_plain(actor, tuple(map(type, args))):
        return None
    try:
        text = COMPACT.encode(args)
    except ValueError:
        return None  # An integer of more digits than Python writes.
    if len(text) > PLAIN_LENGTH or "\\u0000" in text or "\\ud" in text:
        return None
    return Checked(args[0] if args else None, text, "{}")


@lru_cache(maxsize=4096)
def _is_plain(actor: Actor[..., Any], kinds: tuple[type, ...]) -> bool:
    """Return whether the actor can be called with positional arguments of these types, of which all are plain."""
    names, required = _positional(actor)
    accepted = annotations.accepted_types(actor)
    return required <= len(kinds) <= len(names) and all(
        kind in PLAIN and kind in accepted.get(name, PLAIN) for name, kind in zip(names, kinds, strict=False)
    )


def _check_numbers_of_following(actor: Actor[..., Any], value: Any) -> None:
    for message in value if isinstance(value, list) else [value]:
        options = message.get("options") if isinstance(message, dict) else None
        for name, option in options.items() if isinstance(options, dict) else ():
            if name in FOLLOWING:
                _check_numbers_of_following(actor, option)
            elif (name in NUMBERS or name in TIMES) and option is not None:
                where = f"option {name!r} of a message that follows that"
                if name in NUMBERS or name == "delay":
                    whole_number(actor.actor_name, where, option)
                else:
                    check_time(actor.actor_name, name, option, where=where)
            elif name == "priority" and option is not None:
                check_priority(f"a message that follows {actor.actor_name}", option)


def check_columns(message: Message[Any], *, priority: int) -> None:
    """Check that the row's columns can hold what the message says besides its arguments.

    Raises:
      BadArgumentsError: The id is no text of 1 to 255 characters, a name is too long or has a colon, or the priority is
        too large.
    """
    check_id(message)
    actor_name = message.actor_name
    for what, name, longest in (("queue", message.queue_name, 100), ("actor", actor_name, 255)):
        if not isinstance(name, str) or not 0 < len(name) <= longest:
            raise BadArgumentsError(
                f"the name of the {what} is {shown(name)}, must be a text of 1 to {longest} characters"
            )
    if ":" in message.queue_name:
        raise BadArgumentsError(f"the name of the queue is {shown(message.queue_name)}, must have no colon")
    check_priority(actor_name, priority)


def check_id(message: Message[Any]) -> None:
    """Check that the column of task ids can hold the id. Raises: BadArgumentsError: As `check_columns`."""
    task_id = message.message_id
    if not (isinstance(task_id, str) and 0 < len(task_id) <= MAX_ID_LENGTH and is_clean(task_id)):
        raise BadArgumentsError(
            f"the message id for {shown(message.actor_name)} is {shown(task_id)}, must be a text of 1 to "
            f"{MAX_ID_LENGTH} characters, without NULs and lone surrogates"
        )


def check_priority(name: str, priority: Any) -> None:
    """Check that the column of priorities can hold one.

    Raises:
      BadArgumentsError: It is no whole number, or too large.
    """
    if not isinstance(priority, int) or isinstance(priority, bool) or not -INTEGER_LIMIT <= priority < INTEGER_LIMIT:
        raise BadArgumentsError(
            f"the priority of {name} is {shown(priority)}, must be a whole number from {-INTEGER_LIMIT:,} to "
            f"{INTEGER_LIMIT - 1:,} (lower is more urgent)"
        )


def priority_of(message: Message[Any], actor: Actor[..., Any] | None) -> Any:
    """Return the priority of a message: its option, or its actor's. Not checked yet."""
    priority = message.options.get("priority")
    if priority is None:
        return 0 if actor is None else actor.priority
    return priority


def misfit(actor: Actor[..., Any], message: Message[Any]) -> str:
    """Return why the actor cannot be called with the message's arguments. It names types, not values. Empty: it can."""
    if not _fits(actor, len(message.args), tuple(message.kwargs)):
        try:
            bound(actor, message)
        except BadArgumentsError as error:
            return str(error)
    return ""


@lru_cache(maxsize=4096)
def _fits(actor: Actor[..., Any], positions: int, names: tuple[str, ...]) -> bool:
    try:
        _signature(actor).bind(*[None] * positions, **dict.fromkeys(names))
    except TypeError:
        return False
    return True


def owner_key(value: Any) -> Any:
    """Return the primary key of a task's owner, in the type that the user model has.

    Raises:
      BadArgumentsError: The value is no such key.
    """
    if value is None:
        return None
    key = get_user_model()._meta.pk
    if not isinstance(value, bool | float) and not (isinstance(value, str) and not is_clean(value)):
        try:
            found = key.to_python(value)
            key.run_validators(found)  # It is in the column's range.
            return found
        except (ValidationError, OverflowError, ValueError):
            pass
    raise BadArgumentsError(
        f"owner_id is {shown(value)}, must be the primary key of a user ({key.__class__.__name__}) or None"
    )


def plain_options(message: Message[Any]) -> dict[str, Any]:
    """Return the message's options with the owners of its follow-ups as text, which JSON can carry."""
    nested = {name: _plain(value) for name, value in message.options.items() if isinstance(value, dict | list)}
    return message.options | nested if nested else message.options


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {
            key: str(item) if key == "owner_id" and isinstance(item, uuid.UUID) else _plain(item)
            for key, item in value.items()
        }
    return value


def bound(actor: Actor[..., Any], message: Message[Any]) -> dict[str, Any]:
    """Return the arguments by name. Raises: BadArgumentsError: The actor cannot be called with them."""
    args = message.args
    names, required = _positional(actor)
    if not message.kwargs and required <= len(args) <= len(names):
        return dict(zip(names, args, strict=False))
    try:
        return dict(_signature(actor).bind(*args, **message.kwargs).arguments)
    except TypeError as error:
        raise BadArgumentsError(
            f"{actor.actor_name}{_signature(actor)} cannot be called with {_call(message)}: {error}"
            f"{_unknown(actor, message)}"
        ) from None


def _unknown(actor: Actor[..., Any], message: Message[Any]) -> str:
    """Return the rest of an error, which says of unknown names what was probably meant. Empty: all are known."""
    parameters = _signature(actor).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return ""
    told = ""
    for name in message.kwargs:
        if name not in parameters and len(name) <= SHOWN_NAME_LENGTH:
            close = difflib.get_close_matches(name, [one for one in parameters if one not in message.kwargs], n=1)
            told += f"; it has no parameter {name!r}" + "".join(f", did you mean {one!r}?" for one in close)
    return told


def check_value(name: str, where: str, value: Any, *, depth: int = 0) -> None:
    """Check that JSON gives the value back as it is.

    Parameters:
      name: Name of the actor.
      where: Argument or option that it is.

    Raises:
      BadArgumentsError: It does not.
    """
    if depth > MAX_DEPTH:
        raise BadArgumentsError(f"an argument or option for {name} is nested more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, bool | int | str):
        if isinstance(value, str):
            if not is_clean(value):
                raise BadArgumentsError(f"{where} for {name} is a text with a NUL or a lone surrogate in it")
        elif value is not None and value.bit_length() > MAX_INTEGER_BITS:
            raise BadArgumentsError(
                f"{where} for {name} is an integer of more than {MAX_INTEGER_BITS:,} bits, which JSON does "
                "not give back"
            )
        return
    if isinstance(value, float):
        if math.isfinite(value):
            return
        raise BadArgumentsError(f"{where} for {name} is {value}, which JSON does not know")
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check_value(name, f"{where}[{index}]", item, depth=depth + 1)
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadArgumentsError(f"{where} for {name} has the key {key!r}, JSON keys are texts")
            check_value(name, f"a key of {where}", key)
            check_value(name, f"{where}[{key!r}]", item, depth=depth + 1)
        return
    raise BadArgumentsError(f"{where} for {name} is {_describe(value)}")


def _describe(value: Any) -> str:
    kind = type(value)
    if hasattr(value, "pk") and hasattr(value, "_meta"):
        name = kind.__name__
        return f"the {name} itself; send {name.lower()}.id, not the {name}"
    hint = {"bytes": "send text, or store the bytes and send an id", "set": "send a list", "UUID": "send str(value)"}
    hint |= {"datetime": "send value.isoformat()", "date": "send value.isoformat()", "Decimal": "send str(value)"}
    hint |= {"timedelta": "send milliseconds; such an option of a later message belongs on its actor"}
    known = "None, bool, int, float, str, list, dict"
    return f"of type {kind.__name__}, must be one of: {known}" + (
        f" ({hint[kind.__name__]})" if kind.__name__ in hint else ""
    )


def types_and_sizes(message: Message[Any]) -> str:
    """Return the types of the arguments and the sizes of those that have one: `(int, text: str 302114)`."""
    words = [_type_and_size(value) for value in message.args]
    words += [f"{name[:SHOWN_NAME_LENGTH]}: {_type_and_size(value)}" for name, value in message.kwargs.items()]
    return f"({', '.join(words[:SHOWN_ARGUMENTS])}{', …' if len(words) > SHOWN_ARGUMENTS else ''})"


def _type_and_size(value: Any) -> str:
    name = type(value).__name__
    return f"{name} {len(value)}" if isinstance(value, str | list | tuple | dict) else name


def _call(message: Message[Any]) -> str:
    """Return the types of the arguments. Values may be secret."""
    words = [type(value).__name__ for value in message.args]
    words += [f"{name}={type(value).__name__}" for name, value in message.kwargs.items()]
    return f"({', '.join(words)})"
