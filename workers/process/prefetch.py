"""The number of messages a process may hold: many while tasks are short, one a thread while they are long."""

import threading
import time
from collections.abc import Callable

#: Messages that a process holds at most for each of its free threads.
MOST_PER_THREAD = 16
#: Seconds of work that a process may hold for each free thread beside what it runs. A task that has run longer than
#: this is long, and its thread counts as taken.
AHEAD_SECONDS = 0.05
#: Weight of the latest task in the average run time.
WEIGHT = 0.1


class Prefetch:
    """Counts the tasks of a process, from the claim until the outcome is written.

    Parameters:
      threads: Number of tasks that can run at once.
      long_running: Returns the number of tasks that have run for longer than `AHEAD_SECONDS`.
    """

    def __init__(self, *, threads: int, long_running: Callable[[], int] = lambda: 0) -> None:
        self.threads = threads
        self.long_running = long_running
        self.held = 0
        self._average_seconds = AHEAD_SECONDS * 2
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """Number of tasks that may be held: one for each thread, and `AHEAD_SECONDS` of work for each free one."""
        free = max(self.threads - self.long_running(), 0)
        ahead = min(int(AHEAD_SECONDS / max(self._average_seconds, 1e-6)), MOST_PER_THREAD - 1)
        return self.threads + free * ahead

    @property
    def room(self) -> int:
        """Number of tasks that may be taken now."""
        return max(self.limit - self.held, 0)

    def wait_for_room(self, *, timeout_seconds: float) -> int:
        """Return the room as soon as there is some, or 0 after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while self.limit <= self.held:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._changed.wait(remaining):
                    break
            return self.room

    def take(self, count: int) -> None:
        """Count claimed tasks in."""
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
