"""The server of a worker process: it has loaded Django and the actors, and forks a keeper for each isolated task.

It has one thread and has opened no connection, so that a fork of it is a clean copy. `python -m
workers.isolation.server FD` runs it, with the number of a socket to its worker process.
"""

import gc
import logging
import os
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import django
import psutil

logger = logging.getLogger(__name__)

#: Seconds between two looks at the keepers and at the worker process.
LOOK_SECONDS = 0.5
#: Sent to the worker process once, when requests are served at once.
READY = b"."
#: Signals of a terminal or a platform. The worker process decides when its tasks end.
IGNORED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Server:
    """Forks keepers.

    Parameters:
      requests: Each byte on it brings two sockets: the keeper's and the child's.
    """

    def __init__(self, requests: socket.socket) -> None:
        self.requests = requests
        self.keepers: set[int] = set()
        #: A keeper was killed. This process has adopted what it kept.
        self._has_orphans = False

    def run(self) -> None:
        """Serve until the worker process ends."""
        parent = os.getppid()
        events = select.poll()
        events.register(self.requests, select.POLLIN)
        while os.getppid() == parent:
            if events.poll(LOOK_SECONDS * 1000) and not self._serve_one():
                break
            self._reap()

    def _serve_one(self) -> bool:
        """Fork a keeper. Return False if the worker process has closed its socket."""
        from workers.isolation import keeper

        request, sockets, _, _ = socket.recv_fds(self.requests, 1, 2)
        if not request:
            return False
        control, channel = sockets
        try:
            pid = os.fork()
        except OSError as error:
            # The worker process sees that both sockets are closed.
            logger.error("isolated task cannot be started error=%s", error)
            pid = None
        if pid == 0:
            try:
                self.requests.close()
                keeper.keep(Connection(control), channel)
            except BaseException:
                logger.exception("keeper of an isolated task failed")
            finally:
                os._exit(1)
        for fd in sockets:
            os.close(fd)
        if pid:
            self.keepers.add(pid)
        return True

    def _reap(self) -> None:
        """Reap the keepers that have ended. The processes that a killed one has left are killed, too."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if status and pid in self.keepers:
                    logger.error("keeper of an isolated task ended code=%d", os.waitstatus_to_exitcode(status))
                    self._has_orphans = True
                self.keepers.discard(pid)
        if self._has_orphans:
            orphans = [child for child in psutil.Process().children() if child.pid not in self.keepers]
            self._has_orphans = bool(orphans)
            for orphan in orphans:
                with suppress(psutil.Error):
                    orphan.kill()


def _preload() -> None:
    """Load what every task would load at its first statement and its first send. Nothing is connected."""
    import dramatiq
    from django.db.models.sql import compiler  # noqa: F401

    from apps.tasks import ledger, statements  # noqa: F401
    from workers.isolation import keeper  # noqa: F401

    statements.of_this_database()
    broker: Any = dramatiq.get_broker()
    broker.wire.settle()


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    for signum in IGNORED_SIGNALS:
        signal.signal(signum, signal.SIG_IGN)
    django.setup()

    from django.db import connections

    from workers.isolation import kernel

    kernel.adopt_orphans()
    _preload()
    connections.close_all()
    if threading.active_count() > 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        logger.warning("an app started threads, which isolated tasks will not have threads=%s", names)
    gc.collect()
    # A collection in a child must not write to the pages that all share.
    gc.freeze()
    requests.send(READY)
    Server(requests).run()


if __name__ == "__main__":
    main()
