"""Limits that are declared on actors: `concurrency`, `rate_limit`, `limit_key`, `fair_by` and `weight`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dramatiq.middleware import MiddlewareError

from apps.tasks import masking
from apps.tasks.errors import BadArgumentsError, TaskError
from apps.tasks.json_safe import clean_text
from apps.tasks.limits.rate import FORMS as RATE
from apps.tasks.limits.rate import MOST, BadRateError, Rate

#: Options of an actor that limit it.
OPTIONS = ("concurrency", "rate_limit", "limit_key", "fair_by", "weight")
#: Characters of a key, at most.
LONGEST_KEY = 255
#: The key that is the owner of the task.
OWNER = "owner"

Key = Callable[..., Any]


class BadLimitError(TaskError, MiddlewareError, ValueError):
    """The actor's limits make no sense."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits in an actor's declaration.

    Parameters:
      concurrency: Tasks that run at once. None: any number.
      rate_limit: Text of a rate. Empty: none.
      key: Returns the key of a task from its arguments, or `OWNER`. None: the actor has one line.
      is_fair: The keys take turns for the places of the actor. Otherwise each key has the limit for itself.
      weight: Places that a task takes, or a function of its arguments that returns it.
    """

    concurrency: int | None = None
    rate_limit: str = ""
    key: Key | str | None = None
    is_fair: bool = False
    weight: Key | int = 1

    @property
    def most(self) -> int:
        """The largest weight that a task may have."""
        rate = [Rate.of(self.rate_limit).tasks] if self.rate_limit else []
        return min([MOST if self.concurrency is None else self.concurrency, *rate])

    @classmethod
    def of(cls, actor_name: str, options: Mapping[str, Any]) -> "Limits | None":
        """Return the limits in the options of an actor. None: it has none.

        Raises:
          BadLimitError: An option is none of the valid ones, or two of them do not go together.
        """
        concurrency, rate, limit_key, fair_by, weight = (options.get(name) for name in OPTIONS)
        if all(value is None for value in (concurrency, rate, limit_key, fair_by, weight)):
            return None

        def refuse(option: str, value: object, valid: str) -> BadLimitError:
            return BadLimitError(f"{actor_name} has {option}={value!r}, must be {valid}")

        if concurrency is not None and not _is_count(concurrency):
            raise refuse("concurrency", concurrency, f"a whole number from 1 to {MOST:,}: tasks that run at once")
        if rate is not None:
            try:
                Rate.of(rate)
            except BadRateError:
                raise refuse("rate_limit", rate, RATE) from None
        for name, key in (("limit_key", limit_key), ("fair_by", fair_by)):
            if key is not None and key != OWNER and not callable(key):
                raise refuse(name, key, f"a function of the actor's arguments that returns a key, or {OWNER!r}")
        if limit_key is not None and fair_by is not None:
            raise BadLimitError(
                f"{actor_name} has limit_key and fair_by, must have one of them: keys that have the limit for "
                "themselves need no turns"
            )
        if concurrency is None and rate is None and (fair_by is None or weight is not None):
            raise BadLimitError(
                f"{actor_name} has limit_key or weight, and nothing to limit: add concurrency or rate_limit"
            )
        if weight is not None and not callable(weight) and not _is_count(weight):
            raise refuse("weight", weight, f"a whole number from 1 to {MOST:,}, or a function of the actor's arguments")
        found = cls(
            concurrency=concurrency,
            rate_limit=rate or "",
            key=fair_by if limit_key is None else limit_key,
            is_fair=fair_by is not None,
            weight=1 if weight is None else weight,
        )
        if isinstance(found.weight, int) and found.weight > found.most:
            raise refuse("weight", weight, f"at most {found.most}, which its limit has")
        return found


#: By the name of the actor.
by_actor: dict[str, Limits] = {}


def declare(actor_name: str, options: Mapping[str, Any]) -> None:
    """Note the limits of an actor. Raises: BadLimitError: As `Limits.of`."""
    limits = Limits.of(actor_name, options)
    if limits is None:
        by_actor.pop(actor_name, None)
    else:
        by_actor[actor_name] = limits


def of(actor_name: str) -> Limits | None:
    """Return the declared limits of an actor of this process's code."""
    return by_actor.get(actor_name)


def all_of_them() -> dict[str, Limits]:
    """Return the declared limits of this process's code by the name of the actor."""
    return dict(by_actor)


def place_of(
    actor_name: str, args: Any, kwargs: Mapping[str, Any], *, owner_id: Any, weight: Any = None
) -> tuple[str | None, int]:
    """Return the line in which a task of the actor waits, and its weight. None: the actor has no limit.

    Parameters:
      weight: Weight that the sender gives the task.

    Raises:
      BadArgumentsError: A function of the declaration failed, or returned no key or weight.
    """
    limits = by_actor.get(actor_name)
    if limits is None:
        if weight is not None:
            check_weight(actor_name, weight)
        return None, 1
    if weight is None:
        weight = limits.weight
        if callable(weight):
            weight = _called("weight", weight, actor_name, args, kwargs)
    check_weight(actor_name, weight)
    return _line_of(limits, actor_name, args, kwargs, owner_id), weight


def check_weight(actor_name: str, weight: Any) -> None:
    """Check the weight of a task. Raises: BadArgumentsError: Its actor has no limit, or the limit has less."""
    limits = by_actor.get(actor_name)
    if limits is None:
        raise BadArgumentsError(f"weight={weight!r} for {actor_name}, which has no concurrency and no rate_limit")
    if not _is_count(weight) or weight > limits.most:
        raise BadArgumentsError(
            f"the weight for {actor_name} is {weight!r}, must be a whole number from 1 to {limits.most:,}, which its "
            "limit has"
        )


def _line_of(limits: Limits, actor_name: str, args: Any, kwargs: Mapping[str, Any], owner_id: Any) -> str:
    if limits.key is None:
        return ""
    if isinstance(limits.key, str):
        return "" if owner_id is None else str(owner_id)
    name = "fair_by" if limits.is_fair else "limit_key"
    key = _called(name, limits.key, actor_name, args, kwargs)
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str) or len(key) > LONGEST_KEY or clean_text(key) != key:
        found = masking.MASK if masking.holds_secret(actor_name, args, kwargs) else key
        raise BadArgumentsError(
            f"the {name} of {actor_name} returned {repr(found)[:80]}, must be a whole number or a text of at most "
            f"{LONGEST_KEY} characters"
        )
    return key


def _called(name: str, function: Key, actor_name: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise BadArgumentsError(
            f"the {name} of {actor_name} failed: {type(error).__name__}. It is called with the arguments of the task."
        ) from error


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST
