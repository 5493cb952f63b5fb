"""`priority` of an actor, checked where it is declared. `workers.wire.scripts` hands messages out by it."""

from typing import Any

from dramatiq import Actor, Broker, Middleware
from dramatiq.middleware import MiddlewareError

from apps.tasks.errors import BadArgumentsError
from workers.sending.arguments import check_priority


class BadPriorityError(BadArgumentsError, MiddlewareError):
    """The priority of an actor is no whole number, or no column can hold it."""


class Priority(Middleware):
    """Refuses an actor with a priority that no row can have."""

    #: Options that a message may have.
    message_options = frozenset({"priority"})

    def before_declare_actor(self, broker: Broker, actor: Actor[..., Any]) -> None:
        try:
            check_priority(actor.actor_name, actor.priority)
        except BadArgumentsError as error:
            raise BadPriorityError(str(error)) from None
