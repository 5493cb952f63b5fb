"""Limits of actors: how many of their tasks run at once or start in a stretch of time, and whose turn it is."""

from typing import Any

from dramatiq import Actor, Broker, Middleware

from apps.tasks.limits import declared
from apps.tasks.limits.declared import BadLimitError
from workers.sending.key_function import misfit

#: Options that may be functions of the actor's arguments.
FUNCTIONS = ("limit_key", "fair_by", "weight")


class Limits(Middleware):
    """Declares the options that limit an actor. The relay gives the places, so no worker thread waits for one."""

    @property
    def actor_options(self) -> set[str]:
        """Options that an actor may be declared with.

        concurrency: Tasks that run at once, over all processes.
        rate_limit: Tasks that start in any stretch of a length, such as "10/s", "100/m" or "5/30s".
        limit_key: A function of the arguments, or "owner". Each key has the limit for itself.
        fair_by: The same. The keys take turns.
        weight: Places that a task takes, or a function of the arguments.
        """
        return set(declared.OPTIONS)

    @property
    def message_options(self) -> set[str]:
        """Options that a message may have."""
        return {"weight"}

    def before_declare_actor(self, broker: Broker, actor: Actor[..., Any]) -> None:
        """Note the limits of the actor.

        Raises:
          BadLimitError: An option is none of the valid ones, or two do not go together. Or a function cannot be called
            with the actor's arguments.
        """
        for option in FUNCTIONS:
            if told := misfit(actor, option):
                raise BadLimitError(f"{actor.actor_name}: {told}")
        declared.declare(actor.actor_name, actor.options)
