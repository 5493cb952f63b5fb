"""Find the things of the code that names on a page stand for."""

import ast
import inspect
import pkgutil
import textwrap
from collections import defaultdict
from functools import cache
from importlib import import_module
from typing import Any

import apps
import workers
from apps.tasks.conf import SETTINGS

#: Names that a dotted name may begin with.
ROOTS = ("apps", "workers", "aiWriting", "tests", "dramatiq", "logging")
#: Modules of Dramatiq whose classes the pages name.
OF_DRAMATIQ = [
    import_module(f"dramatiq.{name}")
    for name in ("actor", "asyncio", "message", "middleware.current_message", "worker")
]


def find(name: str) -> Any:
    """Return what a name stands for.

    Parameters:
      name: A dotted name from the root, such as `workers.relay`, or from a module or class of the task system, such as
        `ledger.retry` and `Writer.end`. For an attribute that only instances have, the class is returned.

    Raises:
      LookupError: There is no such thing.
    """
    first, *rest = name.split(".")
    for start in [*_from_root(name), *((thing, rest) for thing in _short_names().get(first, ()))]:
        try:
            return _walk(*start)
        except LookupError:
            continue
    raise LookupError(name)


def _from_root(name: str) -> list[tuple[Any, list[str]]]:
    parts = name.split(".")
    if parts[0] not in ROOTS:
        return []
    for end in range(len(parts), 0, -1):
        try:
            return [(import_module(".".join(parts[:end])), parts[end:])]
        except ModuleNotFoundError:
            continue
    return []


def _walk(thing: Any, names: list[str]) -> Any:
    for name in names:
        if not hasattr(thing, name):
            if inspect.isclass(thing) and name in _set_on_instances(thing):
                return thing
            raise LookupError(name)
        thing = getattr(thing, name)
    return thing


def _set_on_instances(found: type) -> set[str]:
    """Return the names that a class's own methods assign on `self`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }


@cache
def _short_names() -> dict[str, list[Any]]:
    """Return the task system's modules and classes by their last names, and the settings."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    modules = list(OF_DRAMATIQ)
    for package in (workers, apps):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            is_part = info.name.startswith(("workers.", "apps.core", "apps.tasks"))
            if is_part and ".migrations" not in info.name and not info.name.endswith(".migrations"):
                modules.append(import_module(info.name))
    for module in modules:
        if module not in OF_DRAMATIQ:
            found[module.__name__.rpartition(".")[2]].append(module)
        for name, thing in vars(module).items():
            if inspect.isclass(thing) and thing.__module__ == module.__name__:
                found[name].append(thing)
    for name, setting in SETTINGS.items():
        found[name].append(setting)
    return found
