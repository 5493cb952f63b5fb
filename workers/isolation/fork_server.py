"""The server of isolated tasks, as its worker process has it."""

import logging
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection

from apps.tasks.errors import ChildError
from workers.process.import_path import own_path

logger = logging.getLogger(__name__)


#: Seconds that the boot of a worker process waits for the server. Isolated tasks would wait for it as long as it takes.
START_SECONDS = 30


class ForkServer:
    """Starts the server when it is needed first, and again if it has ended.

    Parameters:
      env: Environment of the server. None: that of this process.
    """

    def __init__(self, *, env: Mapping[str, str] | None = None) -> None:
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the server, unless it runs, and wait until it forks. It needs about a second."""
        with self._lock:
            requests = self._running()
            events = select.poll()
            events.register(requests, select.POLLIN)
            # The byte is left there: it says the same the next time.
            if not events.poll(START_SECONDS * 1000) or not requests.recv(1, socket.MSG_PEEK):
                logger.error("server of isolated tasks does not start")

    def fork(self) -> tuple[Connection, Connection]:
        """Start a keeper and its child. Return the connections to both.

        Raises:
          ChildError: The server cannot be started.
        """
        control, far_control = socket.socketpair()
        channel, far_channel = socket.socketpair()
        with far_control, far_channel:
            try:
                self._request([far_control.fileno(), far_channel.fileno()])
            except BaseException:
                control.close()
                channel.close()
                raise
        return Connection(control.detach()), Connection(channel.detach())

    def _request(self, fds: list[int]) -> None:
        with self._lock:
            for _ in range(2):
                try:
                    socket.send_fds(self._running(), [b"."], fds)
                    return
                except OSError as error:
                    logger.error("server of isolated tasks ended, it is started again error=%s", error)
                    self._forget()
        raise ChildError("the server of isolated tasks does not run")

    def _running(self) -> socket.socket:
        """Return the socket to the server, which is started if it does not run."""
        if self._requests is not None and self.process is not None and self.process.poll() is None:
            return self._requests
        self._forget()
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                # -P: a module in the folder where the command was started must not hide another one.
                [sys.executable, "-P", "-m", "workers.isolation.server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**(os.environ if self.env is None else self.env), "PYTHONPATH": os.pathsep.join(own_path())},
                # A terminal's Ctrl-C is for the worker process.
                start_new_session=True,
            )
        self._requests = ours
        return ours

    def _forget(self) -> None:
        """Let nothing be left of a server that has ended, or is to end."""
        requests, self._requests = self._requests, None
        process, self.process = self.process, None
        if requests is not None:
            requests.close()
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End the server, and with it the keepers."""
        with self._lock:
            self._forget()
