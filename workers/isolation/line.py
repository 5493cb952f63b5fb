"""The line between a child and its worker process, as the child has it."""

import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from apps.tasks.errors import Cancelled
from workers.isolation.message import Interruption, Logged, Reported, Shielded, Stack, StackWanted
from workers.process.attempt import Attempt
from workers.process.cancellation import Delivery
from workers.process.stack import of_attempt

#: Seconds between two looks at the progress.
REPORT_SECONDS = 0.1
#: Signal that interrupts the function. A process that does not handle it ignores it.
SIGNAL = signal.SIGURG


class Line(threading.Thread):
    """Sends the progress of the function, and interrupts it or sends its stack when the worker process asks for that.

    The function has the main thread, where a signal interrupts also what waits in the kernel.

    A cancellation goes its own way, which cuts neither shielded sections nor the code around the function. The signal
    follows it.

    Parameters:
      attempt: The attempt that this child runs.
    """

    def __init__(self, channel: Connection, attempt: Attempt) -> None:
        super().__init__(name="line", daemon=True)
        self.channel = channel
        self.attempt = attempt
        self.reporter = attempt.reporter
        self.cancellation = attempt.cancellation
        self._seen_raised_at: float | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._identity = os.fstat(channel.fileno())
        #: Class of the exception that the function is to get.
        self.wanted: type[BaseException] | None = None
        #: The function runs.
        self._is_interruptible = False

    def run(self) -> None:
        while True:
            try:
                if not self.is_whole:
                    return
                if self.channel.poll(REPORT_SECONDS):
                    self._take(self.channel.recv())
                if self.reporter.has_news:
                    self.send(Reported(*self.reporter.take()))
                self.send_log()
                if self.cancellation.is_requested:
                    self._follow_cancellation()
            except (OSError, EOFError):
                return  # The worker process has ended, or the function has closed the socket. The keeper does the rest.

    def _take(self, message: Any) -> None:
        if isinstance(message, StackWanted):
            self.send(Stack(of_attempt(self.attempt)))
        if not isinstance(message, Interruption):
            return
        if issubclass(message.kind, Cancelled):
            if self.cancellation.request():
                Delivery(self.cancellation).start()
            return
        self.wanted = message.kind
        if self._is_interruptible:
            self._wake()

    def _follow_cancellation(self) -> None:
        if self.cancellation.raised_at != self._seen_raised_at:
            self._seen_raised_at = self.cancellation.raised_at
            # The exception waits for the main thread's next instruction, which may be in the kernel for long.
            self._wake()
        if self.cancellation.is_shielded:
            self.send(Shielded())

    def _wake(self) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)

    def send_log(self) -> None:
        """Send the lines that the function has logged since the last ones."""
        if self.reporter.log is not None and (lines := self.reporter.log.take()):
            self.send(Logged(lines))

    # --- For the main thread ---

    def open(self) -> None:
        """Begin to report and to listen."""
        signal.signal(SIGNAL, self._interrupt)
        self.start()

    def begin(self) -> None:
        """Let the function be interrupted from here on, also by an interrupt that came before."""
        self._is_interruptible = True
        self._raise_wanted()

    def end(self) -> None:
        """Let nothing interrupt the main thread from here on."""
        self._is_interruptible = False

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        if self._is_interruptible:
            self._raise_wanted()

    def _raise_wanted(self) -> None:
        kind, self.wanted = self.wanted, None
        if kind is not None:
            raise kind

    @property
    def is_whole(self) -> bool:
        """Whether the socket is still that of this line. A function that closes all descriptors may reuse its number.

        A process that the function forks has no line.
        """
        with suppress(OSError):
            found = os.fstat(self.channel.fileno())
            same = (found.st_dev, found.st_ino) == (self._identity.st_dev, self._identity.st_ino)
            return same and os.getpid() == self._pid
        return False

    def send(self, message: Any) -> bool:
        """Send a message. Return whether there still is a line."""
        with self._lock:
            if not self.is_whole:
                return False
            self.channel.send(message)
            return True
