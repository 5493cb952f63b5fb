"""How much a process may hold at once: many when tasks are short, no more than it has threads when they are long."""

import threading
import time

#: What a process holds of short tasks, for each of its threads.
SHORT_TASKS_PER_THREAD = 16
#: A task that ran no longer than this is short, in seconds.
SHORT_SECONDS = 0.05
#: How much the latest task counts in the average.
WEIGHT = 0.1


class Budget:
    """Counts what the process holds, from the claim until its outcome is written and acked.

    Parameters:
      threads: How many tasks can run at once.
    """

    def __init__(self, *, threads: int) -> None:
        self.threads = threads
        self.held = 0
        self._average_seconds = SHORT_SECONDS * 2
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        if self._average_seconds <= SHORT_SECONDS:
            return self.threads * SHORT_TASKS_PER_THREAD
        return self.threads

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
        self._average_seconds += WEIGHT * (min(seconds, 10 * SHORT_SECONDS) - self._average_seconds)
