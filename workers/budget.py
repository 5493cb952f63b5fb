"""How much a process may hold at once: many when tasks are short, no more than it has threads when they are long."""

import threading
import time
from collections.abc import Callable

#: What a process holds at most for each of its free threads.
MOST_PER_THREAD = 16
#: How much work a process may hold for each of its free threads beside what it runs. A task that has run longer is
#: long, and its thread counts as taken.
AHEAD_SECONDS = 0.05
#: How much the latest task counts in the average.
WEIGHT = 0.1


class Budget:
    """Counts what the process holds, from the claim until its outcome is written and acked.

    Parameters:
      threads: How many tasks can run at once.
      long_running: How many of them run for longer than `AHEAD_SECONDS` just now.
    """

    def __init__(self, *, threads: int, long_running: Callable[[], int] = lambda: 0) -> None:
        self.threads = threads
        self.long_running = long_running
        self.held = 0
        self._average_seconds = AHEAD_SECONDS * 2
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """One for each thread, and for the free ones what is done in `AHEAD_SECONDS`."""
        free = max(self.threads - self.long_running(), 0)
        ahead = min(int(AHEAD_SECONDS / max(self._average_seconds, 1e-6)), MOST_PER_THREAD - 1)
        return self.threads + free * ahead

    @property
    def room(self) -> int:
        """How many more may be taken now."""
        return max(self.limit - self.held, 0)

    def wait_for_room(self, *, timeout_seconds: float) -> int:
        """Return how many more may be taken, once it is not 0 or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while self.limit <= self.held:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._changed.wait(remaining):
                    break
            return self.room

    def take(self, count: int) -> None:
        with self._changed:
            self.held += count

    def release(self, count: int) -> None:
        with self._changed:
            self.held -= count
            self._changed.notify_all()

    def ran(self, seconds: float) -> None:
        """A task ran so long. Called by worker threads; a lost update does no harm."""
        self._average_seconds += WEIGHT * (min(seconds, 10 * AHEAD_SECONDS) - self._average_seconds)
