"""A thread that learns which tasks of this process are to be cancelled, and what is paused."""

import logging
import threading

from django.db import DatabaseError, InterfaceError

from apps.core.connections import close_broken, own
from workers.process.holdings import Holdings
from workers.wire.errors import UNREACHABLE
from workers.wire.queue import WireQueue

logger = logging.getLogger(__name__)

#: Seconds that the thread waits for a call at most. A lost connection shows by then.
CALL_SECONDS = 3.0
#: Seconds between two looks at the database while Redis does not answer.
LOOK_SECONDS = 1.0


class Requests(threading.Thread):
    """Waits for calls in Redis, and asks the database which tasks are to be cancelled and what is paused.

    The rows alone say it.

    The reconciler looks at the rows as well, so a lost call is no more than a delay.
    """

    def __init__(self, holdings: Holdings, wire: WireQueue) -> None:
        super().__init__(name="requests", daemon=True)
        self.holdings = holdings
        self.wire = wire
        self._ended = threading.Event()

    def end(self) -> None:
        """Let the thread end."""
        self._ended.set()
        self.wire.call([self.holdings.broker_id])

    def run(self) -> None:
        own(repeats=True)
        while not self._ended.is_set():
            try:
                self._wait()
            except (DatabaseError, InterfaceError) as error:
                logger.error("cancel requests wait, database does not answer error=%s", error)
                close_broken()
                self._ended.wait(LOOK_SECONDS)
            except BaseException:
                # The thread must go on: without it running tasks would be cancelled late.
                logger.exception("cancel requests wait, look failed")
                close_broken()
                self._ended.wait(LOOK_SECONDS)
        close_broken()

    def _wait(self) -> None:
        try:
            is_called = self.wire.wait_for_call(self.holdings.broker_id, timeout_seconds=CALL_SECONDS)
        except UNREACHABLE:
            # Told by the threads that fetch and ack.
            self._ended.wait(LOOK_SECONDS)
            is_called = bool(self.holdings.held)
        if is_called and not self._ended.is_set():
            self.look()

    def look(self) -> None:
        """Ask the database for requests and pauses, and pass them on."""
        from apps.tasks import ledger

        self.holdings.paused.look()
        if self.holdings.held:
            self.holdings.cancel(ledger.cancel_requests(self.holdings.worker_id))
