"""The isolated tasks that run in a worker process, and their number at most."""

import threading
import time
import weakref

from workers.isolation.isolated import Isolated

#: Seconds between two looks of a thread that waits for a place.
LOOK_SECONDS = 0.05


class Places:
    """Places of isolated tasks.

    A place belongs to an `Isolated`, and is free again when that object is gone: an interrupt may hit a thread just
    before it could give the place back.
    """

    def __init__(self) -> None:
        #: Number of places. 0: no limit.
        self.number = 0
        self._taken: weakref.WeakSet[Isolated] = weakref.WeakSet()
        self._lock = threading.Lock()

    def take(self, isolated: Isolated) -> None:
        """Wait for a place, and take it."""
        while not self._try(isolated):
            time.sleep(LOOK_SECONDS)

    def _try(self, isolated: Isolated) -> bool:
        with self._lock:
            is_free = not self.number or len(self._taken) < self.number
            if is_free:
                self._taken.add(isolated)
            return is_free

    def give(self, isolated: Isolated) -> None:
        """Give the place back."""
        self._taken.discard(isolated)

    @property
    def running(self) -> list[Isolated]:
        """The isolated tasks that have a place."""
        return list(self._taken)
