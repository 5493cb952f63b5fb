"""Cancels running tasks: the way of the exception into the actor's function."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from dramatiq import Actor, Broker, Middleware

from apps.tasks.values import PARENT_OPTION
from workers.process.attempt import Attempt
from workers.process.cancellation import call


class Cancellations(Middleware):
    """Lets a request to cancel reach the function of an actor.

    It is the first in the list, so that the other middleware wraps its own code around: commits of transactional actors
    and checks of connections are never cut.
    """

    @property
    def message_options(self) -> set[str]:
        """parent: True, or the id of a task. The task is cancelled when that task is; True is the one that sends it."""
        return {PARENT_OPTION}

    def before_declare_actor(self, broker: Broker, actor: Actor[..., Any]) -> None:
        actor.fn = interruptible(actor.fn)


def interruptible(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return an actor's function, which a request to cancel reaches while a worker runs it."""

    @wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        attempt = Attempt.current()
        if attempt is None:
            return fn(*args, **kwargs)
        if attempt.cancellation.is_open:
            # Called as a function, by another actor.
            return call(fn, args, kwargs)
        return attempt.cancellation.run(fn, args, kwargs)

    return run
