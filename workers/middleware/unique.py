"""`unique`: sends for which a waiting, running or recent task stands become no tasks of their own."""

from typing import TYPE_CHECKING, Any

from dramatiq import Actor, Middleware

from workers.middleware.errors import BadActorError
from workers.sending import unique
from workers.sending.key_function import misfit

if TYPE_CHECKING:
    from workers.broker import LedgerBroker


class Unique(Middleware):
    """Declares the options, and checks them when an actor is declared. The broker applies them at each send."""

    @property
    def actor_options(self) -> set[str]:
        """unique: True for one task for each set of arguments, or a function of them that returns the key.

        while_: States in which a task stands for further sends, "pending" or "unfinished" (the default), or a timedelta
        after its send. debounce: Time to wait for further sends, which replace the arguments of the waiting task.
        debounce_max: Time after the first send at which it is due whatever follows.
        """
        return set(unique.OPTIONS)

    @property
    def message_options(self) -> set[str]:
        """Options that a message may have: the same."""
        return set(unique.OPTIONS)

    def before_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        told = unique.problem(actor.options) or misfit(actor, "unique")
        if told:
            raise BadActorError(f"{actor.actor_name}: {told}")
