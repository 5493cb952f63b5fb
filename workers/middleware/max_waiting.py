"""`max_waiting=`: the waiting tasks that an actor takes. `workers.sending.back_pressure` refuses the sends beyond."""

from typing import TYPE_CHECKING, Any

from dramatiq import Actor, Middleware
from dramatiq.middleware import MiddlewareError

from apps.tasks.errors import TaskError
from apps.tasks.queues import why_no_max_waiting

if TYPE_CHECKING:
    from workers.broker import LedgerBroker


class BadMaxWaitingError(TaskError, MiddlewareError, ValueError):
    """documents.read has max_waiting=0, must be a whole number from 1 to 1,000,000, or None for any number"""


class MaxWaiting(Middleware):
    """Declares the option and checks it."""

    @property
    def actor_options(self) -> set[str]:
        """max_waiting: Pending tasks that the actor takes. A send beyond them is refused in the caller."""
        return {"max_waiting"}

    @property
    def message_options(self) -> set[str]:
        """None. A single message cannot bound those beside it."""
        return set()

    def before_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        value = actor.options.get("max_waiting")
        if reason := why_no_max_waiting(value):
            raise BadMaxWaitingError(f"{actor.actor_name} has max_waiting={value!r:.80}, {reason}")
