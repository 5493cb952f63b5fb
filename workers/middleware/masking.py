"""`secret_args=` of an actor: names of arguments whose values are not shown. `apps.tasks.masking` masks them."""

from dramatiq import Actor, Broker, Middleware
from dramatiq.middleware import MiddlewareError

from apps.tasks.errors import TaskError
from apps.tasks.masking import Parameters


class BadSecretsError(TaskError, MiddlewareError, ValueError):
    """accounts.check_code has secret_args=('cod',), must be of: user_id, code"""


class Masking(Middleware):
    """Declares the option and checks it."""

    @property
    def actor_options(self) -> set[str]:
        """secret_args: Names of arguments whose values no page, log line or error shows."""
        return {"secret_args"}

    @property
    def message_options(self) -> set[str]:
        """None. A row does not tell which of its arguments are secret, so its actor must."""
        return set()

    def before_declare_actor(self, broker: Broker, actor: Actor[..., object]) -> None:
        given = actor.options.get("secret_args")
        if given is None:
            return
        known = Parameters.of(actor)
        if not isinstance(given, tuple | list) or not all(isinstance(name, str) for name in given):
            raise BadSecretsError(
                f"{actor.actor_name} has secret_args={given!r:.80}, must be a tuple of names: secret_args=('code',)"
            )
        # Any name is one of `**kwargs`.
        unknown = [] if known.named_rest else [name for name in given if name not in known.names]
        if unknown:
            valid = ", ".join(known.names) or "none"
            raise BadSecretsError(f"{actor.actor_name} has secret_args={tuple(given)!r:.80}, must be of: {valid}")
        actor.options["secret_args"] = tuple(given)
