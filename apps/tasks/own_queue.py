"""The queue of the task system's own actors.

A pause of that queue is meant for other tasks: alerts are told meanwhile, and what operators do to many tasks is done.
So their tasks go to another queue then.
"""

from typing import Any

import dramatiq
from dramatiq import Actor, Message

from apps.tasks import pauses, presence
from apps.tasks.conf import conf
from apps.tasks.models import Pause, WorkerProcess
from apps.tasks.pauses import Paused

#: The usual one: `default`, or the first one of a project that declares others alone.
USUAL = "default" if not conf.TASK_QUEUES or "default" in conf.TASK_QUEUES else next(iter(conf.TASK_QUEUES))


def choose(paused: Paused) -> str:
    """Return the usual queue or, while it is paused, one that is not and from which a living worker takes.

    If there is none, it is the usual one.
    """
    if USUAL not in paused.queues:
        return USUAL
    declared = set(dramatiq.get_broker().get_declared_queues())
    taken = presence.taken_by(WorkerProcess.objects.workers().beating().filter(wanted=""), declared)
    return min((taken & declared).difference(paused.queues), default=USUAL)


def pause_of(actor_name: str, paused: Paused) -> Pause | None:
    """Return the pause for which a task of one of these actors would wait. None: it would not."""
    return paused.of(queue_name=choose(paused), task_name=actor_name)


def send(actor: Actor[..., Any], *args: Any, **options: Any) -> Message[Any]:
    """Send a task of one of these actors."""
    message = actor.message_with_options(args=args, **options).copy(queue_name=choose(pauses.read()))
    sent: Message[Any] = actor.broker.enqueue(message)
    return sent
