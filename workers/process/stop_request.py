"""A request to stop that a signal handler can make at any time."""

import signal
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType

#: Signals that ask a process to stop.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """Set once, by a signal or a thread. `wait` and `is_set` are those of `threading.Event`.

    Not an `Event`: its lock is not reentrant. A handler that runs while the main thread, or an earlier handler, holds
    that lock waits for ever. `SimpleQueue.put` may interrupt itself and `get`.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._inbox: SimpleQueue[None] = SimpleQueue()

    def install(self) -> None:
        """Let the stop signals set it. Repeats change nothing.

        Platforms signal every process of a group, and a supervisor signals its children once more.
        """
        for signum in STOP_SIGNALS:
            signal.signal(signum, self._take_signal)

    def set(self) -> None:
        """Request the stop."""
        self._is_set = True
        self._inbox.put(None)

    def is_set(self) -> bool:
        """Return whether the stop was requested."""
        return self._is_set

    def wait(self, timeout: float) -> bool:
        """Wait for the request, at most for the timeout in seconds. Return whether it was made.

        A signal in the instant between two steps of the wait ends it at the timeout, so the timeout should be short.
        """
        if not self._is_set:
            with suppress(Empty):
                self._inbox.get(timeout=timeout)
        return self._is_set

    def _take_signal(self, signum: int, frame: FrameType | None) -> None:
        self.set()
