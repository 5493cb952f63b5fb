"""Search by arguments. Hidden values are not compared, so that a search does not tell them."""

import inspect
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import dramatiq
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast, Length
from django.utils.translation import gettext as _

from apps.tasks.search.errors import SearchError, shown

#: Characters of the arguments of a task, as JSON, above which they are not searched.
MOST_CHARACTERS = 10_000


def is_masked(name: str) -> bool:
    """Return whether the values of arguments with this name are hidden."""
    return False


def seen(task_name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Return the arguments as people may see them."""
    return args, kwargs


@lru_cache(maxsize=1024)
def positions(actor: dramatiq.Actor[..., Any]) -> tuple[str, ...]:
    """Return the names of the parameters that an actor takes by position."""
    parameters = inspect.signature(actor.fn).parameters.values()
    return tuple(one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD))


def named(task_name: str, args: Any, kwargs: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arguments that people may see with their names. One whose name is not known has an empty one."""
    args, kwargs = seen(task_name, args, kwargs)
    actor = dramatiq.get_broker().actors.get(task_name)
    names = positions(actor) if actor is not None else ()
    for number, value in enumerate(args if isinstance(args, list) else []):
        yield (names[number] if number < len(names) else ""), value
    if isinstance(kwargs, dict):
        yield from kwargs.items()


def check(name: str) -> str:
    """Return the name of an argument.

    Raises:
      SearchError: Its values are hidden.
    """
    if is_masked(name):
        message = _("The values of the argument %(name)s are hidden, so tasks cannot be found by them")
        raise SearchError(message % {"name": shown(name)})
    return name


def having(rows: QuerySet[Any], wanted: list[tuple[str, list[str]]]) -> list[int]:
    """Return the primary keys of the rows whose arguments have the values.

    The database leaves out most of the others by their text. Python compares the rest, on every database alike.

    Parameters:
      wanted: Names of arguments, each with the values that it may have. An empty name: any argument.
    """
    texts = rows.order_by().annotate(
        args_text=Cast("args", TextField()), kwargs_text=Cast("kwargs", TextField())
    )  # fmt: skip
    texts = texts.annotate(characters=Length("args_text") + Length("kwargs_text")).filter(
        characters__lte=MOST_CHARACTERS
    )
    for name, values in wanted:
        texts = texts.filter(_may_have(name, values))
    found = []
    for pk, task_name, args, kwargs in texts.values_list("pk", "task_name", "args_text", "kwargs_text").iterator():
        arguments = list(named(task_name, _read(args), _read(kwargs)))
        if all(any(_fits(*one, name, values) for one in arguments) for name, values in wanted):
            found.append(pk)
    return found


def _may_have(name: str, values: list[str]) -> Q:
    in_args, in_kwargs = Q(), Q()
    for value in values:
        # As it is within the JSON: without the quotes, since it may be a number.
        part = json.dumps(value, ensure_ascii=False)[1:-1]
        escaped = json.dumps(value)[1:-1]
        in_args |= Q(args_text__contains=part) | Q(args_text__contains=escaped)
        in_kwargs |= Q(kwargs_text__contains=part) | Q(kwargs_text__contains=escaped)
    if not name:
        return in_args | in_kwargs
    actors = [actor.actor_name for actor in dramatiq.get_broker().actors.values() if name in positions(actor)]
    key = json.dumps(name, ensure_ascii=False)
    in_kwargs &= Q(kwargs_text__contains=key) | Q(kwargs_text__contains=json.dumps(name))
    return in_kwargs | (in_args & Q(task_name__in=actors))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _fits(name: str, value: Any, wanted_name: str, wanted: list[str]) -> bool:
    if wanted_name and name != wanted_name:
        return False
    if isinstance(value, str):
        return value in wanted
    try:
        return json.dumps(value, ensure_ascii=False) in wanted
    except (ValueError, RecursionError):  # An integer of more than 4,300 digits.
        return False
