"""Checks the messages that follow another one at its send. A worker could only fail their tasks."""

from collections.abc import Callable, Mapping
from typing import Any

from dramatiq import Actor, Message

from apps.tasks.errors import BadArgumentsError
from apps.tasks.limits import declared as limits
from workers.sending import arguments, times


def check_next(
    actor: Actor[..., Any],
    target: Any,
    *,
    actors: Mapping[str, Actor[..., Any]],
    check_send: Callable[[Message[Any]], object],
) -> None:
    """Check the later messages of a pipeline like sends, as far as this process knows their actors.

    The result of the message before is an argument of the next one, so its arguments are checked only if it ignores
    that result.

    Parameters:
      actor: Actor of the message before.
      target: The next message, as Dramatiq's pipelines have it.
      actors: Those that this process knows, by name.
      check_send: Checks a whole message.

    Raises:
      BadArgumentsError: An option is wrong, or what `check_send` raises.
    """
    while target is not None:
        message = _message_of(target)
        known = None if message is None else actors.get(message.actor_name)
        if message is None or known is None:
            return  # The task before it tells why it cannot be sent, or a process that knows the actor does.
        if message.options.get("pipe_ignore") or actor.options.get("pipe_ignore"):
            check_send(message)
            return
        _check_options(known, message)
        actor, target = known, message.options.get("pipe_target")


def check_again(own: Message[Any], message: Any) -> None:
    """Check the message of a task that is enqueued again. Its row keeps actor, queue and arguments.

    Raises:
      BadArgumentsError: One of them differs.
    """
    for name in ("actor_name", "queue_name", "args", "kwargs"):
        if getattr(own, name) != getattr(message, name):
            raise BadArgumentsError(
                f"{own.actor_name} enqueues its own message with another {name}, which its row cannot take: send a new "
                "message"
            )


def _message_of(target: Any) -> Message[Any] | None:
    try:
        message: Message[Any] = Message(**target)
    except TypeError:
        return None
    return message if isinstance(message.actor_name, str) and isinstance(message.options, dict) else None


def _check_options(actor: Actor[..., Any], message: Message[Any]) -> None:
    """Check a message without its arguments.

    Raises:
      BadArgumentsError: An option is wrong.
    """
    options = message.options
    arguments.owner_key(options.get("owner_id"))
    times.checked_start_and_age(actor, message, delay=None)
    if options.get("weight") is not None:
        limits.check_weight(actor.actor_name, options["weight"])
