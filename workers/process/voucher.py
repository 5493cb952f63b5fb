"""A thread with a connection of its own that beats for worker processes that are too busy to beat themselves."""

import logging
import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue

from django.db import DatabaseError, InterfaceError

from apps.core.connections import close_broken
from apps.tasks import presence
from apps.tasks.conf import conf
from workers.process import identity
from workers.process.endings import Endings

logger = logging.getLogger(__name__)


class Voucher(threading.Thread):
    """Vouches for the worker processes of a supervisor, which sees whether they live.

    C code that does not release Python's lock stops every thread of its process, the heartbeat too. A relay of the same
    host looks into the process table. A relay of another host would declare the process dead.

    It also records how a process ended that could not record it.

    Parameters:
      pids: Returns the pids of the processes. Frozen ones and zombies are left out.
    """

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        super().__init__(name="voucher", daemon=True)
        self.pids = pids
        self.timeout_seconds = conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS
        self._host = identity.host()
        self._endings = Endings()
        #: Pids of processes that ended, and how.
        self._dead: SimpleQueue[tuple[int, str]] = SimpleQueue()
        self._ended = threading.Event()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()

    def bury(self, pid: int, returncode: int) -> None:
        """Note the end of a process. The thread records it.

        Parameters:
          returncode: Its exit code. Negative: the signal that ended it.
        """
        if ended := self._endings.of(returncode):
            self._dead.put((pid, ended))

    def run(self) -> None:
        while not self._ended.wait(self.timeout_seconds / 4):
            self.vouch()
            self.record()
        close_broken()

    def record(self) -> None:
        """Record the ends that were noted."""
        self._endings.look()
        while True:
            try:
                pid, ended = self._dead.get_nowait()
            except Empty:
                return
            try:
                presence.note_end(host=self._host, pid=pid, ended=ended)
            except (DatabaseError, InterfaceError) as error:
                logger.error("cannot record the end of a process, database does not answer pid=%d error=%s", pid, error)
                close_broken()

    def vouch(self) -> int:
        """Beat for each process that lives and was silent for a third of the timeout. Return their number."""
        try:
            return presence.vouch(host=self._host, living=self._living(), silent_seconds=self.timeout_seconds / 3)
        except (DatabaseError, InterfaceError) as error:
            logger.error("cannot vouch for workers, database does not answer error=%s", error)
        except BaseException:
            # The thread must go on.
            logger.exception("cannot vouch for workers")
        close_broken()
        return 0

    def _living(self) -> dict[int, str]:
        """Return the starts of the living processes, by pid."""
        found = {pid: identity.started(pid) for pid in self.pids()}
        return {
            pid: started
            for pid, started in found.items()
            if started and identity.is_running(pid, started) and not identity.is_stopped(pid)
        }
