"""Back-pressure: a send beyond the `max_waiting` of its queue or its actor is refused in the caller."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import transaction
from dramatiq import Actor

from apps.tasks.conf import conf
from apps.tasks.errors import QueueFullError
from apps.tasks.values import Send

#: Seconds for which a process remembers the room that it counted.
REMEMBERED_SECONDS = 1.0
#: A process sends at most one part in so many of that room without counting anew. Processes do not know of each other,
#: and this many of them together stay below the limit.
PARTS = 32


class Limit(NamedTuple):
    """A queue or an actor that takes a limited number of waiting tasks.

    Parameters:
      column: Column of `TaskStatus` that names it.
    """

    column: str
    name: str
    max_waiting: int


class Room(NamedTuple):
    """Sends that a process may make without counting anew.

    Parameters:
      until: Time by the monotonic clock.
    """

    left: int
    until: float


class BackPressure:
    """Counts the waiting tasks of limited queues and actors before a send.

    Parameters:
      actors: The known actors by name.
    """

    def __init__(self, actors: Mapping[str, Actor[..., Any]]) -> None:
        self.actors = actors
        self._rooms: dict[Limit, Room] = {}
        self._lock = threading.Lock()

    def limits_of(self, sends: Sequence[Send]) -> "Counter[Limit] | None":
        """Return the number of sends by the limits that they have. None: no limit, as nearly always."""
        if not any(self.is_limited(*names) for names in {(send.queue_name, send.task_name) for send in sends}):
            return None
        limited = [limit for send in sends for limit in self._limits(send)]
        return Counter(limited) if limited else None

    def is_limited(self, queue_name: str, task_name: str) -> bool:
        """Return whether a queue or an actor takes a limited number of waiting tasks."""
        queue = conf.TASK_QUEUES.get(queue_name)
        return bool((queue is not None and queue.max_waiting) or self._of_actor(task_name))

    @contextmanager
    def room_for(self, numbers: "Counter[Limit]") -> Iterator[None]:
        """Run a block that records sends, if there is room for all of them.

        Uncommitted sends of the caller's transaction count. Near a limit, senders without a transaction of their own
        come one after the other, so that each counts what the others have sent.

        Raises:
          QueueFullError: There is no room. The block does not run.
        """
        uncounted = {limit: number for limit, number in numbers.items() if not self._spend(limit, number)}
        near = [limit for limit, number in sorted(uncounted.items()) if self._count(limit, number) < PARTS]
        if not near or not transaction.get_connection().autocommit:
            yield
            return
        from apps.tasks import ledger

        with transaction.atomic():
            for limit in near:
                ledger.lock_waiting(limit.column, limit.name)
            for limit in near:
                self._count(limit, numbers[limit])
            yield

    def _limits(self, send: Send) -> Iterator[Limit]:
        queue = conf.TASK_QUEUES.get(send.queue_name)
        of_queue = None if queue is None else queue.max_waiting
        of_actor = self._of_actor(send.task_name)
        # The slot of a schedule comes once, and its scheduler is no caller who could wait.
        if (of_queue is None and of_actor is None) or "slot" in send.options:
            return
        if of_queue is not None:
            yield Limit("queue_name", send.queue_name, of_queue)
        if of_actor is not None:
            yield Limit("task_name", send.task_name, of_actor)

    def _of_actor(self, task_name: str) -> int | None:
        """Return the limit of an actor. None: it has none, or another program has the actor."""
        actor = self.actors.get(task_name)
        return None if actor is None else actor.options.get("max_waiting")

    def _spend(self, limit: Limit, number: int) -> bool:
        """Take from the room that this process remembers. Return whether there is enough of it."""
        with self._lock:
            room = self._rooms.get(limit)
            if room is None or room.left < number or room.until <= time.monotonic():
                return False
            self._rooms[limit] = room._replace(left=room.left - number)
            return True

    def _count(self, limit: Limit, number: int) -> int:
        """Return the room that is left after the sends, and remember a part of it."""
        from apps.tasks import ledger

        waiting = ledger.count_waiting(limit.column, limit.name, limit=limit.max_waiting)
        left = limit.max_waiting - waiting - number
        with self._lock:
            self._rooms[limit] = Room(left=max(left, 0) // PARTS, until=time.monotonic() + REMEMBERED_SECONDS)
        if left < 0:
            raise QueueFullError(
                what="queue" if limit.column == "queue_name" else "actor",
                name=limit.name,
                waiting=waiting,
                refused=number,
                max_waiting=limit.max_waiting,
            )
        return left
