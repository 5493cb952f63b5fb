"""`unique`, `while_`, `debounce` and `debounce_max`: checked, and made into the key of a send."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dramatiq import Actor, Message

from apps.tasks import masking
from apps.tasks.errors import BadArgumentsError
from apps.tasks.values import GROUP_KEY, Unique
from workers.sending import times

#: Options of an actor and of a send. They are in no row: the key is.
OPTIONS = ("unique", "while_", "debounce", "debounce_max")
#: Options of a message that name what follows it.
FOLLOWED = ("pipe_target", GROUP_KEY)
#: Windows after the first send to which further sends postpone a task, if `debounce_max` is not declared.
DEBOUNCE_WINDOWS = 10
#: Characters of a key, at most. Longer ones are hashed.
MAX_LENGTH = 255

WHILE = "'pending', 'unfinished' or a timedelta, the time for which one send stands for further ones"


def is_unique(options: Mapping[str, Any]) -> bool:
    """Return whether sends with these options have a key. `debounce` alone implies one."""
    unique = options.get("unique")
    return options.get("debounce") is not None if unique is None else unique is not False


def problem(options: Mapping[str, Any], *, own: Mapping[str, Any] | None = None) -> str:
    """Return why the options cannot be, with the valid forms. Empty: they can.

    Parameters:
      own: Those of them that a send has itself. None: they are those of an actor alone.
    """
    of_send = own is not None
    unique, while_ = options.get("unique"), options.get("while_")
    debounce, longest = options.get("debounce"), options.get("debounce_max")
    if own is not None and callable(own.get("unique")):
        return (
            f"unique is the function {times.shown(unique)}, must be True, False, a text or an integer in a send: a "
            "function belongs on the actor"
        )
    if not (unique is None or isinstance(unique, bool) or callable(unique) or (of_send and _is_key(unique))):
        forms = "True, False, a text or an integer" if of_send else "True or a function of the actor's arguments"
        if not of_send and isinstance(unique, str) and unique.isidentifier():
            forms += f": unique=lambda {unique}, *_: {unique}"
        return f"unique is {times.shown(unique)}, must be {forms}"
    if callable(unique) and inspect.iscoroutinefunction(unique):
        return f"unique is the async function {times.shown(unique)}, must be a plain one"
    if while_ is not None and while_ not in ("pending", "unfinished"):
        if not isinstance(while_, timedelta):
            return f"while_ is {times.shown(while_)}, must be {WHILE}{_in_seconds(while_)}"
        if told := _bad_time("while_", while_):
            return told
    for name, value in (("debounce", debounce), ("debounce_max", longest)):
        if value is not None and (told := _bad_time(name, value)):
            return told
    if longest is not None and debounce is None:
        return "debounce_max needs debounce, the time to wait for further sends"
    if longest is not None and longest < debounce:
        return f"debounce_max is {longest}, must be at least debounce, which is {debounce}"
    if debounce is not None and while_ not in (None, "pending"):
        return f"while_ is {times.shown(while_)}, must be 'pending' with debounce: a running task has its arguments"
    if unique is False:
        # A send without a key may leave out what its actor says.
        said = [name for name in OPTIONS[1:] if (options if own is None else own).get(name) is not None]
        return f"{said[0]} needs a key, and unique=False means none: leave one of them out" if said else ""
    if while_ is not None and not is_unique(options):
        return "while_ needs unique=True, or a function that returns the key"
    return ""


def unique_of(actor: Actor[..., Any], message: Message[Any], *, is_delayed: bool) -> Unique | None:
    """Return the key of a send and its rules. None: it has none.

    Raises:
      BadArgumentsError: The options cannot be, or the actor's function makes no key of the arguments.
    """
    options = _checked(actor, message.options, is_delayed=is_delayed)
    if not is_unique(options):
        return None
    while_, debounce = options.get("while_"), options.get("debounce")
    longest = options.get("debounce_max") or (debounce and DEBOUNCE_WINDOWS * debounce)
    return Unique(
        key=_shortened(actor, _key(actor, message, options.get("unique"))),
        while_pending=while_ == "pending" or debounce is not None,
        throttle_ms=_milliseconds(while_) if isinstance(while_, timedelta) else None,
        debounce_ms=None if debounce is None else _milliseconds(debounce),
        debounce_max_ms=_milliseconds(longest) if longest else 0,
    )


def _checked(actor: Actor[..., Any], given: Mapping[str, Any], *, is_delayed: bool) -> dict[str, Any]:
    """Return the options of an actor and a message together. Raises: BadArgumentsError: They cannot be."""
    own = {name: given[name] for name in OPTIONS if name in given}
    options = {name: actor.options[name] for name in OPTIONS if name in actor.options} | own
    if own and (told := problem(options, own=own)):
        raise BadArgumentsError(f"{actor.actor_name}: {told}")
    if is_unique(options):
        for name in FOLLOWED:
            if name in given:
                raise BadArgumentsError(refusal(actor.actor_name, name))
        debounce = options.get("debounce")
        if debounce is not None and is_delayed:
            raise BadArgumentsError(
                f"{actor.actor_name} has debounce={debounce!r}, which is its delay: send it without another one"
            )
    return options


def check_next(target: Any, actors: Mapping[str, Actor[..., Any]]) -> None:
    """Check the options of the later messages of a pipeline.

    Parameters:
      target: The next message, as Dramatiq's pipelines have it.

    Raises:
      BadArgumentsError: Those of one cannot be, or it is unique and followed by what another task knows nothing of.
    """
    while isinstance(target, dict):
        own = target.get("options")
        own = own if isinstance(own, dict) else {}
        actor = actors.get(str(target.get("actor_name")))
        if actor is not None:
            _checked(actor, own, is_delayed=bool(own.get("delay") or own.get("eta")))
        target = own.get("pipe_target")


def refusal(actor_name: str, option: str) -> str:
    """Return why a unique send can have nothing that follows it."""
    what = "have a next message in a pipeline" if option == "pipe_target" else "be in a group"
    return (
        f"{actor_name} is unique and cannot {what}: another task may stand for the send, and that one knows nothing of "
        "it. Send it with unique=False, or alone."
    )


def _key(actor: Actor[..., Any], message: Message[Any], unique: Any) -> Any:
    """Return what makes the send unique among those of its actor."""
    if not callable(unique):
        return _all_arguments(actor, message) if unique is None or unique is True else unique
    try:
        key = unique(*message.args, **message.kwargs)
    except Exception as error:
        told = masking.without(masking.secret_texts(actor.actor_name, message.args, message.kwargs), str(error))
        raise BadArgumentsError(
            f"the unique function of {actor.actor_name} raised {type(error).__name__}: {times.shown(told)}, "
            "must return a text or an integer"
        ) from error
    if not _is_key(key):
        found = masking.MASK if masking.holds_secret(actor.actor_name, message.args, message.kwargs) else key
        raise BadArgumentsError(
            f"the unique function of {actor.actor_name} returned {times.shown(found)}, must return a text or an integer"
        )
    return key


def _all_arguments(actor: Actor[..., Any], message: Message[Any]) -> dict[str, Any]:
    """Return the arguments by name, with the defaults of those that were not sent."""
    found = inspect.signature(actor.fn).bind(*message.args, **message.kwargs)
    found.apply_defaults()
    return found.arguments


def _shortened(actor: Actor[..., Any], key: Any) -> str:
    """Return the text by which the database knows a key. A default may be what JSON cannot carry: its type counts."""
    try:
        text = json.dumps(
            [actor.actor_name, key], sort_keys=True, separators=(",", ":"), default=lambda value: str(type(value))
        )
    except ValueError as error:
        raise BadArgumentsError(f"the unique key of {actor.actor_name} cannot be written: {error}") from error
    return text if len(text) <= MAX_LENGTH else f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"


def _is_key(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _bad_time(name: str, value: Any) -> str:
    longest = timedelta(milliseconds=times.LONGEST_MS)
    if isinstance(value, timedelta) and timedelta(milliseconds=1) <= value <= longest:
        return ""
    forms = f"a timedelta from 1 millisecond to {longest.days:,} days"
    return f"{name} is {times.shown(value)}, must be {forms}{_in_seconds(value)}"


def _in_seconds(value: Any) -> str:
    """Return what a number probably meant."""
    return f": timedelta(seconds={value})" if type(value) in (int, float) and value > 0 else ""


def _milliseconds(time: timedelta) -> int:
    return time // timedelta(milliseconds=1)
