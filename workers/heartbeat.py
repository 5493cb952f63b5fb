"""The heartbeat: a thread with a connection of its own that says that this process lives."""

import logging
import math
import threading
import uuid
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError

from workers.boot_clock import boot_seconds
from workers.broken_connection import close_broken

logger = logging.getLogger(__name__)


class Heartbeat(threading.Thread):
    """Beats four times within the timeout.

    Parameters:
      on_refused: Called once when the process was declared dead: whatever it holds is somebody else's now.
    """

    def __init__(self, worker_id: uuid.UUID, *, timeout_seconds: float, on_refused: Callable[[], None]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.worker_id = worker_id
        self.timeout_seconds = timeout_seconds
        self.on_refused = on_refused
        self._confirmed = boot_seconds()
        self._stopping = threading.Event()

    @property
    def is_fresh(self) -> bool:
        """Whether the last confirmed beat is young enough to start a task: less than half the timeout old."""
        return boot_seconds() - self._confirmed < self.timeout_seconds / 2

    def stop(self) -> None:
        self._stopping.set()
        self.join(self.timeout_seconds)

    def run(self) -> None:
        from apps.tasks import presence

        while not self._stopping.wait(self.timeout_seconds / 4):
            # From before the statement: it may have taken long to answer.
            asked = boot_seconds()
            try:
                if not presence.beat(self.worker_id):
                    logger.critical("declared dead by a relay worker=%s", self.worker_id)
                    self._confirmed = -math.inf
                    self.on_refused()
                    break
                self._confirmed = asked
            except (DatabaseError, InterfaceError) as error:
                logger.error("no heartbeat, the database does not answer error=%s", error)
                close_broken()
            except Exception:
                # Without this thread the process would live on and never work again.
                logger.exception("a heartbeat failed")
                close_broken()
        close_broken()
