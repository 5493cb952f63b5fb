"""System checks of declared actors: warnings about what is risky, each with what to do."""

import ast
import inspect
import math
import sys
import typing
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning, register
from django.db.models import Model
from dramatiq import Actor

from apps.tasks.conf import conf
from workers.checks import app_of, own_actors
from workers.isolation.limits import limits_of

#: Options of an actor that say what a restart of its worker does to it.
SAYS_WHAT_A_RESTART_DOES = ("transactional", "idempotent", "notify_shutdown")


@register("tasks")
def check_retries(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W011: An actor says `max_retries` or `retry_when`."""
    return [
        Warning(
            f"The actor {actor.actor_name!r} has no max_retries: it is retried 20 times, for weeks.",
            hint="Add max_retries=3, or the number that suits it. 0: no automatic retry.",
            id="tasks.W011",
        )
        for actor in own_actors()
        if actor.options.get("max_retries") is None and not actor.options.get("retry_when")
    ]


@register("tasks")
def check_explicit_time_limits(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W012: An actor says `time_limit` or `hard_time_limit`."""
    return [
        Warning(
            f"The actor {actor.actor_name!r} has no time limit: it may run {_span(conf.TASK_TIME_LIMIT_MS)}.",
            hint="Add time_limit=20_000, or the milliseconds that suit it.",
            id="tasks.W012",
        )
        for actor in own_actors()
        if _time_limit_ms(actor) is None
    ]


@register("tasks")
def check_restarts(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W013: An actor that may outlast `WORKER_DRAIN_SECONDS` says what a restart does to it."""
    messages: list[CheckMessage] = []
    for actor in own_actors():
        limit_ms = _time_limit_ms(actor)
        if limit_ms is None or limit_ms <= conf.WORKER_DRAIN_SECONDS * 1000 or _survives_a_restart(actor):
            continue
        messages.append(
            Warning(
                f"The actor {actor.actor_name!r} may run {_span(limit_ms)}, and a restart cuts it off after "
                f"WORKER_DRAIN_SECONDS, {conf.WORKER_DRAIN_SECONDS:g} s. It begins anew on another worker.",
                hint="Lower its time_limit, or say what a second run does: idempotent=True, transactional=True, "
                "isolate=True, or notify_shutdown=True to stop at a place of its own.",
                id="tasks.W013",
            )
        )
    return messages


@register("tasks")
def check_annotations(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W014: Each argument of an actor has an annotation."""
    messages: list[CheckMessage] = []
    for actor in own_actors():
        parameters = inspect.signature(inspect.unwrap(actor.fn)).parameters.values()
        if bare := [one.name for one in parameters if one.annotation is one.empty]:
            messages.append(
                Warning(
                    f"The actor {actor.actor_name!r} has arguments without an annotation: {', '.join(bare)}.",
                    hint=f"Annotate each with a type that JSON has, such as {bare[0]}: int.",
                    id="tasks.W014",
                )
            )
    return messages


@register("tasks")
def check_arguments(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W015: No argument of an actor is a model."""
    messages: list[CheckMessage] = []
    for actor in own_actors():
        messages += [
            Warning(
                f"The argument {name!r} of the actor {actor.actor_name!r} is a {model}: a send with one is refused.",
                hint=f"Take its id, such as {name}_id: int, and load it in the actor.",
                id="tasks.W015",
            )
            for name, annotation in _annotations(actor).items()
            if (model := _model_in(annotation))
        ]
    return messages


@register("tasks")
def check_modules(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W016: An actor is in the `tasks.py` of an app."""
    messages: list[CheckMessage] = []
    for actor in own_actors():
        module = inspect.unwrap(actor.fn).__module__
        config = app_of(actor)
        right = f"{config.name}.tasks" if config is not None else "the tasks.py of an app"
        if config is not None and (module == right or module.startswith(f"{right}.")):
            continue
        messages.append(
            Warning(
                f"The actor {actor.actor_name!r} is in {module}, which a process may not import at its start.",
                hint=f"Move it to {right}. Otherwise its messages may reach a worker that does not know it.",
                id="tasks.W016",
            )
        )
    return messages


@register("tasks")
def check_imports(**kwargs: Any) -> list[CheckMessage]:
    """tasks.W017: `tasks.py` and the models that it imports at module level do not import each other."""
    messages: list[CheckMessage] = []
    for name in sorted({inspect.unwrap(actor.fn).__module__ for actor in own_actors()}):
        module = sys.modules.get(name)
        for models in _models_imported_by(module) if module is not None else ():
            if _leads_to(models, name):
                messages.append(
                    Warning(
                        f"{name} imports {models} at module level, and {models} leads back to {name}.",
                        hint="Import the models inside the actor. Now it depends on the first import whether the "
                        "processes start.",
                        id="tasks.W017",
                    )
                )
    return messages


# --- Time limits -----------------------------------------------------------------------------------


def _time_limit_ms(actor: Actor[..., Any]) -> float | None:
    """Return the milliseconds that an actor says. None: it says none. Infinite counts as said."""
    given = [actor.options.get("time_limit"), actor.options.get("hard_time_limit")]
    found = [_milliseconds(value) for value in given if value is not None]
    return min(found, default=None)


def _span(limit_ms: float) -> str:
    return "for ever" if limit_ms == math.inf else f"for {limit_ms / 1000:,g} s"


def _milliseconds(value: Any) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds() * 1000
    return float(value) if isinstance(value, int | float) else math.inf


def _survives_a_restart(actor: Actor[..., Any]) -> bool:
    if any(actor.options.get(name) for name in SAYS_WHAT_A_RESTART_DOES):
        return True
    return limits_of(actor.actor_name, actor.options) is not None


# --- Annotations -----------------------------------------------------------------------------------


def _annotations(actor: Actor[..., Any]) -> dict[str, Any]:
    """Return the annotation of each argument, as a type where its names can be found and else as its text."""
    function = inspect.unwrap(actor.fn)
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = parameter.annotation
        if isinstance(annotation, str):
            try:
                annotation = typing.get_type_hints(_Only(name, annotation), function.__globals__)[name]
            except Exception:  # A name of a block under TYPE_CHECKING, or no type at all: its text is all there is.
                annotation = parameter.annotation
        found[name] = annotation
    return found


class _Only:
    """An object with one annotation: one that cannot be read spoils no other."""

    def __init__(self, name: str, annotation: str) -> None:
        self.__annotations__ = {name: annotation}


def _model_in(annotation: Any) -> str:
    """Return the name of the model that an annotation has, also inside `list[...]` or `... | None`. Or nothing."""
    if isinstance(annotation, str):
        return _model_in_text(annotation)
    if inspect.isclass(annotation) and not typing.get_args(annotation):
        return annotation.__name__ if issubclass(annotation, Model) else ""
    if isinstance(annotation, typing.ForwardRef):
        return _model_in_text(annotation.__forward_arg__)
    return next((found for inner in typing.get_args(annotation) if (found := _model_in(inner))), "")


def _model_in_text(text: str) -> str:
    known = {model.__name__ for model in apps.get_models()}
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return ""
    names = [
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    ]
    return next((name for name in names if name in known), "")


# --- Imports ---------------------------------------------------------------------------------------


def _models_imported_by(module: ModuleType) -> list[str]:
    known = {config.models_module.__name__ for config in apps.get_app_configs() if config.models_module}
    return sorted(known.intersection(_imported_by(module)))


def _leads_to(start: str, target: str) -> bool:
    """Return whether a module imports another at module level, also by others of installed apps."""
    seen, waiting = {start}, [start]
    while waiting:
        module = sys.modules.get(waiting.pop())
        for name in _imported_by(module) if module is not None else ():
            if name == target:
                return True
            if name not in seen and apps.get_containing_app_config(name) is not None:
                seen.add(name)
                waiting.append(name)
    return False


def _imported_by(module: ModuleType) -> set[str]:
    """Return the modules that a module imports at module level, but for type checkers."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return set()
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    found = set()
    for node in _at_module_level(tree.body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return found & set(sys.modules)


def _at_module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _at_module_level(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for part in ("body", "orelse", "finalbody"):
                yield from _at_module_level(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _at_module_level(handler.body)
        else:
            yield node
