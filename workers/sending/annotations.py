"""Types of arguments, as the simple annotations of an actor's function say them: `int`, `str | None`, `list[int]`.

A text for a number would have another unique key and no related object, and the actor would find out in a worker. Of a
list or a dict the contents are not looked at. All other annotations are for type checkers alone.
"""

import inspect
import sys
import types
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from dramatiq import Actor

from apps.tasks import masking
from apps.tasks.errors import BadArgumentsError
from workers.sending.times import shown

#: Types of values that an annotation accepts. JSON makes a list of a tuple.
ACCEPTED: dict[Any, frozenset[type]] = {
    int: frozenset({int}),
    str: frozenset({str}),
    bool: frozenset({bool}),
    float: frozenset({float, int}),
    list: frozenset({list, tuple}),
    dict: frozenset({dict}),
    None: frozenset({type(None)}),
    type(None): frozenset({type(None)}),
}

#: Parameters that take any number of arguments.
RESTS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check(actor: Actor[..., Any], arguments: dict[str, Any]) -> None:
    """Check the types of arguments, given by name.

    Raises:
      BadArgumentsError: One is not of the type that the actor's function says.
    """
    for name, accepted in accepted_types(actor).items():
        if name in arguments and type(arguments[name]) not in accepted:
            _check(actor, name, arguments[name], accepted)


@lru_cache(maxsize=1024)
def accepted_types(actor: Actor[..., Any]) -> dict[str, frozenset[type]]:
    """Return the types that the parameters accept which have a simple annotation, by name."""
    named = [one for one in inspect.signature(actor.fn).parameters.values() if one.kind not in RESTS]
    found = ((one.name, _accepted_by(one, actor)) for one in named)
    return {name: accepted for name, accepted in found if accepted}


def _accepted_by(parameter: inspect.Parameter, actor: Actor[..., Any]) -> frozenset[type]:
    annotation = parameter.annotation
    if isinstance(annotation, str):
        annotation = _evaluated(annotation, module=actor.fn.__module__)
    accepted = _accepted(annotation)
    return accepted | ACCEPTED[None] if accepted and parameter.default is None else accepted


def _accepted(annotation: Any) -> frozenset[type]:
    """Return the types that an annotation accepts. Empty: it is not a simple one."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        each = [_accepted(one) for one in get_args(annotation)]
        return frozenset[type]().union(*each) if all(each) else frozenset()
    kind = annotation if origin is None else origin
    return ACCEPTED.get(kind, frozenset()) if kind is None or isinstance(kind, type) else frozenset()


def _evaluated(annotation: str, *, module: str) -> Any:
    """Return the annotation behind a text. A name may be imported for type checkers alone."""
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(holder, vars(sys.modules[module]))["it"]
    except Exception:
        return inspect.Parameter.empty


def _check(actor: Actor[..., Any], name: str, value: Any, accepted: frozenset[type]) -> None:
    # Subclasses are fine, such as members of an enumeration of texts. A bool is an int for Python alone.
    if isinstance(value, tuple(accepted)) and not (isinstance(value, bool) and bool not in accepted):
        return
    told = shown(masking.MASK if masking.is_masked(actor.actor_name, name) else value)
    kinds = accepted - {tuple, type(None)} - ({int} if float in accepted else set())
    wanted = sorted(one.__name__ for one in kinds) + ["None"] * (type(None) in accepted)
    raise BadArgumentsError(
        f"argument {name!r} for {actor.actor_name} is {told} of type {type(value).__name__}, must be of type "
        f"{' or '.join(wanted)}, as its function says"
    )
