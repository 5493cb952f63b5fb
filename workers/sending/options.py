"""Options of actors and of messages. An unknown or a wrong one is refused, with what was probably meant."""

import difflib
import inspect
import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

from dramatiq import Actor, Broker
from dramatiq.middleware import (
    AgeLimit,
    Callbacks,
    CurrentMessage,
    GroupCallbacks,
    Middleware,
    Pipelines,
    Retries,
    ShutdownNotifications,
    TimeLimit,
)
from dramatiq.results import Results

from apps.tasks.errors import BadOptionError
from apps.tasks.results import RowBackend
from apps.tasks.values import PARENT_OPTION
from workers.sending import times
from workers.sending.arguments import NUMBERS
from workers.sending.counterparts import ON_A_MESSAGE, ON_AN_ACTOR
from workers.sending.times import LONGEST_MS, shown, whole_number

#: Options that every message may have: `LedgerBroker` reads them.
OF_EVERY_MESSAGE = frozenset({"message_id", "delay", "eta", "max_age", "expires", "owner_id"})
#: Parameters of `send_with_options` that are no options.
CALL = ("args", "kwargs")
#: Parameters of `dramatiq.actor` that are no options.
DECLARATION = ("actor_class", "actor_name", "broker", "priority", "queue_name")

#: Options that Dramatiq's own middleware reads from a message. Their `actor_options` are others: `retry_when` is read
#: from the actor alone, and `throws` has classes, which JSON does not know.
READ_BY_DRAMATIQ: tuple[tuple[type[Middleware], frozenset[str]], ...] = (
    (AgeLimit, frozenset({"max_age"})),
    (Callbacks, frozenset({"on_success", "on_failure"})),
    (GroupCallbacks, frozenset({"group_completion_uuid", "group_completion_callbacks"})),
    (Pipelines, frozenset({"pipe_ignore", "pipe_target"})),
    (Retries, frozenset({"max_retries", "min_backoff", "max_backoff", "on_retry_exhausted"})),
    (ShutdownNotifications, frozenset({"notify_shutdown"})),
    (TimeLimit, frozenset({"time_limit"})),
)

#: Options that the middleware of other packages reads from a message and does not say, by the name of its class.
READ_BY_OTHERS = {"periodiq.PeriodiqMiddleware": ("scheduled_at",)}

#: Options that are True or False.
FLAGS = ("store_results", "notify_shutdown", "pipe_ignore", "transactional", "idempotent", "isolate", "keep_logs")
#: Options that name an actor.
ACTORS = ("on_success", "on_failure", "on_retry_exhausted")
#: Options of a message that are as if they were not there if they are None. `max_retries=None` means no limit.
NOT_NONE = {
    PARENT_OPTION,
    *FLAGS,
    *ACTORS,
    *NUMBERS,
    "priority",
    "weight",
    "unique",
    "while_",
    "debounce",
    "debounce_max",
} - {"max_retries"}
#: Numbers of an actor that may be None.
MAY_BE_NONE = ("max_retries", "max_age")
#: End of a sentence about an option that resembles none.
NO_ADVICE = ": there is no such option."
#: Likeness of two names, from 0 to 1, from which one may be a slip for the other.
LIKENESS = 0.7
#: Characters of a name that may be a slip, at most. Comparing two names takes the product of their lengths.
LONGEST_NAME = 50


#: Options of messages by broker, for its middleware as it was then.
_of_messages: WeakKeyDictionary[Broker, tuple[list[Middleware], frozenset[str]]] = WeakKeyDictionary()


class Declared(set[str]):
    """Options that actors may have.

    Dramatiq subtracts them from those of a new actor and refuses the rest without saying whose they are. It finds no
    rest here, and `check_actor` says more.
    """

    def __rsub__(self, others: AbstractSet[Any]) -> set[Any]:
        return set()


# --- Messages ------------------------------------------------------------------------------------


def of_messages(broker: Broker) -> frozenset[str]:
    """Return the options that a message may have.

    A middleware says them with `message_options`. Of one that does not, the `actor_options` count.
    """
    middleware, found = _of_messages.get(broker, (None, OF_EVERY_MESSAGE))
    if middleware != broker.middleware:
        found = OF_EVERY_MESSAGE.union(*(_read_from_messages(one) for one in broker.middleware))
        _of_messages[broker] = list(broker.middleware), found
    return found


def _read_from_messages(middleware: Middleware) -> Iterable[str]:
    declared: Iterable[str] | None = getattr(middleware, "message_options", None)
    if declared is not None:
        return declared
    if isinstance(middleware, Results):
        # Rows keep results, and for as long as they are there.
        return {"store_results"} if isinstance(middleware.backend, RowBackend) else {"store_results", "result_ttl"}
    for kind, names in READ_BY_DRAMATIQ:
        if isinstance(middleware, kind):
            inherited: Any = kind.actor_options
            return names.union(middleware.actor_options - inherited.fget(middleware))
    kind = type(middleware)
    return middleware.actor_options.union(READ_BY_OTHERS.get(f"{kind.__module__}.{kind.__name__}", ()))


def checked(actor: Actor[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a message as JSON carries them.

    Raises:
      BadOptionError: An option is unknown, belongs on the actor, or its value is wrong.
    """
    known = of_messages(actor.broker)
    if not known.issuperset(given):
        of_actors = actor.broker.actor_options.union(DECLARATION) - known
        elsewhere = {name: f"it belongs on the actor: @dramatiq.actor({name}=...)." for name in of_actors}
        raise BadOptionError(
            _refusal(
                f"unknown option of a message for {actor.actor_name}",
                [name for name in given if name not in known],
                valid=known.union(CALL),
                counterparts={**ON_AN_ACTOR, **elsewhere, **ON_A_MESSAGE},
            )
        )
    name = actor.actor_name
    options = {}
    for option, value in given.items():
        if value is None and option in NOT_NONE:
            continue
        if option in ACTORS:
            value = _actor_name(name, option, value)
        elif option in FLAGS:
            _check_flag(name, option, value)
        elif option in NUMBERS and value is not None:
            _check_number(name, option, value)
        elif option == PARENT_OPTION:
            value = parent_id(name, value)
        options[option] = value
    return times.options_of(name, options)


def parent_id(actor_name: str, value: Any) -> str:
    """Return the id of the task with which a message is cancelled."""
    current = CurrentMessage.get_current_message()
    if value is True and current is None:
        raise BadOptionError(
            f"option 'parent' for {actor_name} is True, and no task sends it: parent=True is the task that runs"
        )
    found = current.message_id if value is True and current is not None else value
    if not isinstance(found, str) or not 1 <= len(found) <= 255:
        raise BadOptionError(
            f"option 'parent' for {actor_name} is {shown(value)}, must be True or the id of a task, 1 to 255 characters"
        )
    return found


def check_call(actor_name: str, args: Any, kwargs: Any) -> None:
    """Check the two parameters that have the arguments of the actor.

    Raises:
      BadOptionError: `args` is no tuple or list, or `kwargs` no dict.
    """
    if not isinstance(args, tuple | list):
        raise BadOptionError(
            f"args for {actor_name} is of type {type(args).__name__}, must be a tuple: args=(value,) with a comma"
        )
    if kwargs is not None and not isinstance(kwargs, dict):
        raise BadOptionError(
            f"kwargs for {actor_name} is of type {type(kwargs).__name__}, must be a dict: kwargs={{'name': value}}"
        )


# --- Actors --------------------------------------------------------------------------------------


def check_actor(actor: Actor[..., Any], *, known: set[str], on_messages: frozenset[str]) -> None:
    """Check the options that an actor is declared with. Names of actors take the place of actors in them.

    Parameters:
      known: Options that actors may have.
      on_messages: Options that messages may have.

    Raises:
      BadOptionError: An option is unknown, belongs on the message, or its value is wrong.
    """
    name = actor.actor_name
    if not known >= actor.options.keys():
        elsewhere = {one: f"it belongs on the send: send_with_options({one}=...)." for one in on_messages - known}
        sends = {one: f"it belongs on the send: {advice}" for one, advice in ON_A_MESSAGE.items()}
        told = _refusal(
            f"unknown option of the actor {name}",
            [option for option in actor.options if option not in known],
            valid=known.union(DECLARATION),
            counterparts={**sends, **ON_AN_ACTOR, **elsewhere},
        )
        if NO_ADVICE in told:
            told += " An option of another middleware needs that middleware in DRAMATIQ_BROKER."
        raise BadOptionError(told)
    for option, value in list(actor.options.items()):
        if option in NUMBERS:
            _check_declared_number(name, option, value)
        elif value is None:
            continue
        elif option in FLAGS:
            _check_flag(name, option, value)
        elif option in ACTORS:
            actor.options[option] = _actor_name(name, option, value)
        elif option == "throws":
            _check_classes(name, option, value)
        elif option == "retry_when":
            if not callable(value):
                raise BadOptionError(
                    f"option {option!r} for {name} is {shown(value)}, must be a function of the number of retries and "
                    "the exception: retry_when=lambda retries, error: retries < 3"
                )
        elif option == "expires":
            times.span_of_expires(name, value)
    if actor.options.get("expires") is not None and actor.options.get("max_age") is not None:
        raise BadOptionError(f"{name} has both max_age and expires: they say the same, so leave one out")


def _check_declared_number(actor_name: str, option: str, value: Any) -> None:
    """Check a number of an actor. Dramatiq's middleware takes `float("inf")` for no limit, and fails with None."""
    if option in MAY_BE_NONE:
        is_right = value is None
    else:
        is_right = isinstance(value, float) and (0 <= value <= LONGEST_MS or value == math.inf)
    if not is_right:
        _check_number(actor_name, option, value)


def _check_classes(actor_name: str, option: str, value: Any) -> None:
    classes = value if isinstance(value, tuple) else (value,)
    if not all(inspect.isclass(one) and issubclass(one, BaseException) for one in classes):
        raise BadOptionError(
            f"option {option!r} for {actor_name} is {shown(value)}, must be a class of exceptions or a tuple of such "
            "classes: throws=(ValueError, KeyError)"
        )


# --- Both ----------------------------------------------------------------------------------------


def _check_number(actor_name: str, option: str, value: Any) -> None:
    where = f"option {option!r}"
    if option == "max_retries":
        whole_number(actor_name, where, value, unit="")
        return
    hint = ""
    if isinstance(value, timedelta):
        hint = f": {option}={value // times.MILLISECOND:_}"
        if option == "max_age":
            hint += ", or expires with the timedelta"
    whole_number(actor_name, where, value, or_else=hint)


def _check_flag(actor_name: str, option: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise BadOptionError(f"option {option!r} for {actor_name} is {shown(value)}, must be True or False")


def _actor_name(actor_name: str, option: str, value: Any) -> str:
    found: Any = value.actor_name if isinstance(value, Actor) else value
    if isinstance(found, str) and found:
        return found
    raise BadOptionError(f"option {option!r} for {actor_name} is {shown(value)}, must be an actor or the name of one")


def _refusal(start: str, names: Iterable[str], *, valid: AbstractSet[str], counterparts: Mapping[str, str]) -> str:
    """Return the sentences of an error about unknown options."""
    advised = [_advised(name, valid, counterparts) for name in names]
    listed = f" Must be one of: {', '.join(sorted(valid))}." if any(NO_ADVICE in one for one in advised) else ""
    return f"{start}: {' '.join(advised)}{listed}"


def _advised(name: str, valid: AbstractSet[str], counterparts: Mapping[str, str]) -> str:
    if advice := counterparts.get(name):
        return f"{name}: {advice}"
    if not name.isidentifier() or len(name) > LONGEST_NAME:
        return f"{shown(name)}{NO_ADVICE}"
    close = difflib.get_close_matches(name.lower(), sorted({*valid, *counterparts}), n=3, cutoff=LIKENESS)
    if close and close[0] not in valid:
        return f"{name}: {counterparts[close[0]]}"
    ours = [one for one in close if one in valid]
    return f"{name}: did you mean {' or '.join(ours)}?" if ours else f"{name}{NO_ADVICE}"
