"""The number of messages a process may hold: many while tasks are short, one a thread while they are long."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workers.process.shares import Shares

#: Messages that a process holds at most for each of its free threads.
MOST_PER_THREAD = 64
#: Messages that a process may hold for all places of its event loop together, if they are few and the tasks short.
MOST_IN_PLACE = 1536
#: Seconds of work that a process may hold for each free thread beside what it runs. A task that has run longer than
#: this is long, and its thread counts as taken.
AHEAD_SECONDS = 0.05
#: Seconds for which a consumer keeps its share before it has claimed tasks. It may hang in Redis or in the database.
GIVEN_SECONDS = 1.0
#: Weight of the latest task in the average run time.
WEIGHT = 0.1


class Prefetch:
    """Counts the tasks of a process, from the claim until the outcome is written.

    Parameters:
      threads: Number of tasks that can run at once.
      most_per_thread: Messages that it holds at most for each of them.
      long_running: Returns the number of tasks that have run for longer than `AHEAD_SECONDS`.
      weight_of: Returns the weight of a queue.
    """

    def __init__(
        self,
        *,
        threads: int,
        most_per_thread: int | None = None,
        long_running: Callable[[], int] = lambda: 0,
        weight_of: Callable[[str], int] = lambda queue_name: 1,
    ) -> None:
        self.threads = threads
        self._most_per_thread = most_per_thread
        self.long_running = long_running
        self.held = 0
        #: Returns whether nothing may be taken just now.
        self.is_closed: Callable[[], bool] = lambda: False
        self._shares = Shares(weight_of)
        #: Room that a consumer was given and has not claimed tasks for yet, and until when it is kept, by queue.
        self._given: dict[str, tuple[int, float]] = {}
        #: Queues whose consumers wait for room.
        self.waiting: set[str] = set()
        self._average_seconds = AHEAD_SECONDS * 2
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """Number of tasks that may be held: one for each thread, and `AHEAD_SECONDS` of work for each free one."""
        free = max(self.threads - self.long_running(), 0)
        most = self._most_per_thread or MOST_PER_THREAD
        ahead = min(int(AHEAD_SECONDS / max(self._average_seconds, 1e-6)), most - 1)
        return self.threads + free * ahead

    @property
    def room(self) -> int:
        """Number of tasks that may be taken now."""
        if self.is_closed():
            return 0
        now = time.monotonic()
        given = sum(share for share, until in list(self._given.values()) if until > now)
        return max(self.limit - self.held - given, 0)

    def wait_for_share(self, queue_name: str, *, timeout_seconds: float) -> int:
        """Return the queue's share of the room as soon as it has the first turn, or 0 after the timeout.

        The share is the queue's until `settle`, for `GIVEN_SECONDS` at most.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            with self._in_turn(queue_name):
                share = self._share(queue_name)
                while not share and (remaining := deadline - time.monotonic()) > 0:
                    self._changed.wait(remaining)
                    share = self._share(queue_name)
            self._give(queue_name, share)
        return share

    def wait_for_room(self, *, timeout_seconds: float) -> None:
        """Wait until there is any room, or for that long."""
        with self._changed:
            self._changed.wait_for(lambda: self.room, timeout_seconds)

    def take_share(self, queue_name: str, count: int) -> int:
        """Return how much of the room a queue may keep that has fetched messages already, whatever its weight.

        It makes up for that in its next turns. The share is the queue's until `settle`.
        """
        with self._changed:
            with self._in_turn(queue_name):
                share = min(self.room, count) if self._share(queue_name) else 0
            self._give(queue_name, share)
        return share

    def settle(self, queue_name: str, *, is_empty: bool = False) -> None:
        """Give back what is left of a queue's share.

        Parameters:
          is_empty: The queue has no messages. Others need not leave it a share.
        """
        with self._changed:
            if is_empty:
                self._shares.end(queue_name)
            if self._given.pop(queue_name, None) and self.waiting:
                self._changed.notify_all()

    @contextmanager
    def _in_turn(self, queue_name: str) -> Iterator[None]:
        """Let the queue be one of those that wait for room."""
        self._shares.begin(queue_name)
        self.waiting.add(queue_name)
        try:
            yield
        finally:
            self.waiting.discard(queue_name)

    def _share(self, queue_name: str) -> int:
        room = self.room
        return self._shares.of(queue_name, room) if room and self._shares.first(self.waiting) == queue_name else 0

    def _give(self, queue_name: str, share: int) -> None:
        if share:
            self._given[queue_name] = (share, time.monotonic() + GIVEN_SECONDS)
        if self.waiting and self.room:
            # The next one has the first turn now.
            self._changed.notify_all()

    def take(self, queue_name: str, count: int, *, elsewhere: int = 0) -> None:
        """Count claimed tasks of a queue in.

        Parameters:
          elsewhere: Number of them that take no place here. They have had the queue's turn all the same.
        """
        with self._changed:
            self.held += count - elsewhere
            self._given.pop(queue_name, None)
            self._shares.count(queue_name, count, most=self.threads * MOST_PER_THREAD)

    def take_more(self, count: int) -> None:
        """Count claimed tasks in that have had their queue's turn elsewhere."""
        with self._changed:
            self.held += count

    def free(self, count: int) -> None:
        """Count finished tasks out and wake a waiting consumer."""
        with self._changed:
            self.held -= count
            self._changed.notify_all()

    def ran(self, seconds: float) -> None:
        """Note the run time of a task. Worker threads call this without a lock: a lost update does no harm."""
        self._average_seconds += WEIGHT * (min(seconds, 10 * AHEAD_SECONDS) - self._average_seconds)
