"""Functions in an actor's options that make a key or a weight of its arguments."""

import inspect
from typing import Any

from dramatiq import Actor


def misfit(actor: Actor[..., Any], option: str) -> str:
    """Return why the function in an option cannot be called like the actor. Empty: it can, or there is none."""
    function = actor.options.get(option)
    if not callable(function):
        return ""
    if inspect.iscoroutinefunction(function):
        return f"its {option} is an async function, must be a plain one"
    required = [one for one in inspect.signature(actor.fn).parameters.values() if one.default is one.empty]
    positions = [one for one in required if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    names = [one.name for one in required if one.kind is one.KEYWORD_ONLY]
    try:
        inspect.signature(function).bind(*positions, **dict.fromkeys(names))
    except (TypeError, ValueError) as error:
        signature = inspect.signature(actor.fn)
        return f"its {option} function cannot be called like {actor.actor_name}{signature}: {error}"
    return ""
