"""Functions that a middleware wants to run in a process of their own, beside the workers: Dramatiq's `forks`."""

import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from dramatiq import Broker

from apps.tasks.errors import TaskError


class BadForkError(TaskError, ValueError):
    """A middleware's fork cannot be started in a process of its own."""


def paths_of(broker: Broker) -> list[str]:
    """Return the forks of the broker's middleware, each as `module:function`.

    Raises:
      BadForkError: One is no function of a module.
    """
    found = []
    for middleware in broker.middleware:
        for function in middleware.forks:
            path = f"{getattr(function, '__module__', None)}:{getattr(function, '__qualname__', None)}"
            try:
                is_found = load(path) is function
            except (ImportError, AttributeError, ValueError):
                is_found = False
            if not is_found:
                raise BadForkError(
                    f"{type(middleware).__name__}.forks has {path}, must be functions of a module, not nested ones"
                )
            found.append(path)
    return list(dict.fromkeys(found))


def load(path: str) -> Callable[[], Any]:
    """Return the function at `module:function`.

    Raises:
      ImportError: There is no such module.
      AttributeError: There is no such function.
      ValueError: The path has no module.
    """
    module, _, name = path.partition(":")
    function: Callable[[], Any] = getattr(import_module(module), name)
    return function


def run(path: str) -> int:
    """Run the function until it returns or SIGTERM comes. Return the exit code of its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))
    return int(load(path)() or 0)
