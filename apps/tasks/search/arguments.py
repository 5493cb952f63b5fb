"""Search by arguments. Hidden values are not compared, so that a search does not tell them."""

import json
from collections.abc import Iterator
from typing import Any

import dramatiq
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast, Length
from django.utils.translation import gettext as _

from apps.tasks import masking, secret_names
from apps.tasks.conf import conf
from apps.tasks.search.errors import SearchError, shown

#: Characters of the arguments of a task, as JSON, above which they are not searched.
MOST_CHARACTERS = 10_000


def is_masked(name: str) -> bool:
    """Return whether arguments of this name are hidden: always, or by each actor that has one."""
    actors = [actor for actor in _actors() if name in masking.parameters_of(actor).names]
    if not actors:
        return secret_names.contains_one(name, conf.TASK_MASKED_NAMES)
    return all(masking.is_masked(actor.actor_name, name) for actor in actors)


def named(task_name: str, args: Any, kwargs: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arguments that people may see with their names. One whose name is not known has an empty one."""
    args, kwargs = masking.arguments(task_name, args, kwargs)
    actor = dramatiq.get_broker().actors.get(task_name)
    names = masking.parameters_of(actor).positions if actor is not None else ()
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
    actors = [actor.actor_name for actor in _actors() if name in masking.parameters_of(actor).positions]
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


def _actors() -> list[dramatiq.Actor[..., Any]]:
    return list(dramatiq.get_broker().actors.values())
