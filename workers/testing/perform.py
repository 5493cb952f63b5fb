"""Run one actor as a worker would call it, without a row."""

from typing import Any

import dramatiq

from apps.tasks.json_safe import json_safe
from workers.testing.coroutines import in_this_thread
from workers.testing.sends import Sendable, checked
from workers.testing.stage import kept_open


def perform(actor: Sendable, /, *args: Any, **kwargs: Any) -> Any:
    """Run an actor in this thread and return its result. Arguments and result are what JSON makes of them.

    No row is written. Nothing is retried, and no callback is sent.

    Raises:
      BadArgumentsError, BadOptionError, TooLargeError: A send with these arguments would be refused.
      TypeError, ValueError: JSON cannot carry the result.
      Others: What the actor raises.
    """
    broker: Any = dramatiq.get_broker()
    actor = checked(actor)
    send = broker.send_of(actor.message(*args, **kwargs))
    given = json_safe({"args": send.args, "kwargs": send.kwargs})
    with in_this_thread(), kept_open():
        result = actor(*given["args"], **given["kwargs"])
    return json_safe(result) if actor.options.get("store_results", True) else result
