"""Attempts that outlived their time limit: an interrupt could not end them."""

from collections.abc import Mapping
from typing import Any

from dramatiq import Actor, Message
from dramatiq.broker import MessageProxy

from apps.tasks.conf import conf
from workers.process.attempt import Attempt
from workers.sending.times import clipped

#: Seconds after its time limit in which a task may still end. It may clean up.
GRACE_SECONDS = 30.0


def limit_ms_of(message: Message[Any] | MessageProxy, actor: Actor[..., Any] | None) -> float:
    """Return the milliseconds that a task may run.

    Parameters:
      actor: None: this process does not know the task's actor.
    """
    declared = actor.options.get("time_limit", conf.TASK_TIME_LIMIT_MS) if actor else conf.TASK_TIME_LIMIT_MS
    limit_ms: float = message.options.get("time_limit") or declared
    return limit_ms


def is_overdue(attempt: Attempt, actors: Mapping[str, Actor[..., Any]]) -> bool:
    """Return whether the attempt still runs long after its time limit. It hangs where no exception reaches it.

    A task with a hard time limit may clean up until then, and is ended by its keeper.
    """
    ran_ms = attempt.ran_ms
    if ran_ms is None or attempt.outcome is not None:
        return False
    actor = actors.get(attempt.message.actor_name)
    limit_ms = limit_ms_of(attempt.message, actor)
    hard_ms = clipped(actor.options.get("hard_time_limit") if actor else None) or 0
    return bool(ran_ms > max(limit_ms, hard_ms) + GRACE_SECONDS * 1000)
