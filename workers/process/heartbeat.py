"""A thread with a connection of its own that reports that the process lives."""

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError

from apps.core.connections import close_broken, own
from apps.tasks.values import Vitals

logger = logging.getLogger(__name__)

#: Seconds between two beats, at most. With each one the process reads what operators ask of it.
MOST_SECONDS = 1.5


def boot_seconds() -> float:
    """Return the seconds since the machine started, by a clock that runs while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Heartbeat(threading.Thread):
    """Beats four times within the timeout, and at least once in `MOST_SECONDS`.

    Parameters:
      timeout_seconds: Seconds a worker may stay silent before it is declared dead.
      on_refused: Called once if the process was declared dead. Its tasks belong to other workers then.
      vitals: Returns the figures that each beat writes.
      on_wanted: Called at each beat with the request of an operator. An empty text is none.
    """

    def __init__(
        self,
        worker_id: uuid.UUID,
        *,
        timeout_seconds: float,
        on_refused: Callable[[], None],
        vitals: Callable[[], Vitals] = Vitals,
        on_wanted: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.worker_id = worker_id
        self.timeout_seconds = timeout_seconds
        self.on_refused = on_refused
        self.vitals = vitals
        self.on_wanted = on_wanted
        self._confirmed = boot_seconds()
        self._ended = threading.Event()

    @property
    def is_fresh(self) -> bool:
        """Whether a task may start: the last confirmed beat is less than half the timeout old."""
        return boot_seconds() - self._confirmed < self.timeout_seconds / 2

    def stop(self, *, timeout_seconds: float = 1.0) -> None:
        """End the thread, and wait for it at most for that time."""
        self._ended.set()
        self.join(timeout_seconds)

    def run(self) -> None:
        own(repeats=True)
        while not self._ended.wait(min(self.timeout_seconds / 4, MOST_SECONDS)):
            if not self.beat():
                break
        close_broken()

    def _vitals(self) -> Vitals:
        """Return the vitals. A process that cannot read them beats all the same."""
        try:
            return self.vitals()
        except Exception:
            logger.exception("vitals cannot be read")
            return Vitals()

    def beat(self) -> bool:
        """Beat once. Return False if the process was declared dead."""
        from apps.tasks import presence

        # From before the statement, whose answer may take long.
        asked = boot_seconds()
        try:
            if not presence.beat(self.worker_id, self._vitals()):
                logger.critical("declared dead by a relay worker=%s", self.worker_id)
                self._confirmed = -math.inf
                self.on_refused()
                return False
            self._confirmed = asked
            if self.on_wanted is not None:
                self.on_wanted(presence.wanted(self.worker_id))
        except (DatabaseError, InterfaceError) as error:
            logger.error("no heartbeat, database does not answer error=%s", error)
            close_broken()
        except BaseException:
            # The thread must go on: without it the process would live and never work again.
            logger.exception("heartbeat failed")
            close_broken()
        return True
