"""Run one actor as a worker would call it, without a row."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
from dramatiq import Message
from dramatiq.middleware import CurrentMessage

from apps.tasks.json_safe import from_compact, json_safe
from workers.testing.coroutines import in_this_thread
from workers.testing.sends import Sendable, checked
from workers.testing.stage import kept_open


def perform(actor: Sendable, /, *args: Any, **kwargs: Any) -> Any:
    """Run an actor in this thread and return its result. Arguments and result are what JSON makes of them.

    No row is written. Nothing is retried, and no callback is sent. `CurrentMessage` and the context of a task of
    Django's API say that it is the first attempt.

    Raises:
      BadArgumentsError, BadOptionError, TooLargeError: A send with these arguments would be refused.
      TypeError, ValueError: JSON cannot carry the result.
      Others: What the actor raises.
    """
    broker: Any = dramatiq.get_broker()
    actor = checked(actor)
    message = actor.message(*args, **kwargs)
    send = broker.send_of(message)
    with in_this_thread(), kept_open(), _current(message.copy(options={"attempt": 0})):
        result = actor(*from_compact(send.args), **from_compact(send.kwargs))
    if not actor.options.get("store_results", True):
        return result
    try:
        return json_safe(result)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{actor.actor_name} returned what JSON cannot carry: {error}") from error


@contextmanager
def _current(message: Message[Any]) -> Iterator[None]:
    """Let the message be the one that runs in this thread. The context of a task of Django's API is made of it."""
    outer = CurrentMessage.get_current_message()
    middleware: Any = CurrentMessage()
    middleware.before_process_message(None, message)
    try:
        yield
    finally:
        middleware.before_process_message(None, outer)
