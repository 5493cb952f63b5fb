"""A running child, as the thread of the worker process has it that waits for it."""

import logging
import signal
import threading
import time
from _thread import allocate_lock
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

from dramatiq.middleware import Shutdown, TimeLimitExceeded
from dramatiq.threading import Interrupt

from apps.tasks.errors import ChildError, OverCpuLimitError, OverMemoryLimitError, OverTimeLimitError
from workers.isolation import backends
from workers.isolation.child import EXIT_NO_LINE
from workers.isolation.limits import in_units
from workers.isolation.message import (
    Connected,
    End,
    Interruption,
    Job,
    Raised,
    Reported,
    Returned,
    Started,
    Verdict,
    unpack_exception,
    unpack_result,
)
from workers.process.attempt import Attempt
from workers.process.failure import Failure

logger = logging.getLogger(__name__)

#: Seconds of one wait. After each, an exception can interrupt the thread.
TICK_SECONDS = 0.1
#: Seconds that a function may go on after it was asked to end for good. Then its processes are killed.
GRACE_SECONDS = 10.0
#: Interrupts that a function may handle and go on. Any other one ends it.
SOFT_INTERRUPTS = (TimeLimitExceeded, Shutdown)
REFUSED = "the kernel refused it more"


class Isolated:
    """The child of an attempt.

    A thread of its own speaks with the child and the keeper: no interrupt can cut a message of that one in half.
    """

    def __init__(self, attempt: Attempt, job: Job) -> None:
        self.attempt = attempt
        self.job = job
        self.pid: int | None = None
        self._thread: threading.Thread | None = None
        self._backends: list[Connected] = []
        self._end: End | None = None
        self._verdict: Verdict | None = None
        #: The interrupt that the function gets, and whether it is on its way.
        self._asked: BaseException | None = None
        self._is_asked = False
        #: The keeper is to kill the processes, and was told.
        self._is_stopped = False
        self._is_told = False
        #: Both connections have brought all.
        self._is_over = False
        # Not an `Event`: an interrupt may hit the thread in the middle of its code, and leave its lock locked.
        self._over = allocate_lock()
        self._over.acquire()

    def run(self, control: Connection, channel: Connection) -> Any:
        """Return the result of the function.

        Parameters:
          control: Connection to the keeper.
          channel: Connection to the child.

        Raises:
          ChildError: Its process ended before it returned, or went over a limit.
          BaseException: The exception of the function.
        """
        name = f"isolated {self.job.claim.task_id}"
        self._thread = threading.Thread(target=self._exchange, args=(control, channel), name=name, daemon=True)
        self._thread.start()
        kill_at: float | None = None
        while True:
            try:
                while not self._is_over:
                    self._over.acquire(timeout=TICK_SECONDS)
                    if kill_at is not None and time.monotonic() > kill_at:
                        self._is_stopped = True
                return self._result()
            except Interrupt as error:
                if self._is_over:
                    raise
                self._asked, self._is_asked = error, True
                if not isinstance(error, SOFT_INTERRUPTS):
                    kill_at = time.monotonic() + GRACE_SECONDS

    def stop(self, reason: Interrupt) -> None:
        """Kill the processes of the task. It ends with that interrupt, unless it has ended before."""
        self._asked, self._is_stopped = reason, True

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end of its processes, at most for that time."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def give_up(self) -> None:
        """Kill its processes, if there still are any: its thread waits for them no more."""
        self._is_stopped = True

    # --- The thread that speaks ---

    def _exchange(self, control: Connection, channel: Connection) -> None:
        # At the end both are closed. That ends the processes, if there still are any.
        try:
            with control, channel:
                control.send(self.job.limits)
                channel.send(self.job)
                open_ends = [control, channel]
                while self._verdict is None:
                    ready = wait(open_ends, TICK_SECONDS)
                    if channel in ready and not self._hear(channel):
                        open_ends.remove(channel)
                    if control in ready:
                        self._verdict = control.recv()
                    self._tell(control, channel)
                while self._hear(channel):
                    pass
        except (OSError, EOFError):
            pass  # The keeper was killed, or could not be started.
        except BaseException:
            logger.exception("isolated task lost id=%s", self.job.claim.task_id)
        finally:
            self._is_over = True
            self._over.release()

    def _tell(self, control: Connection, channel: Connection) -> None:
        """Pass on what the thread of the task wants."""
        if self._is_asked and self._asked is not None:
            self._is_asked = False
            with suppress(OSError):
                channel.send(Interruption(type(self._asked)))
        if self._is_stopped and not self._is_told:
            self._is_told = True
            control.send("stop")

    def _hear(self, channel: Connection) -> bool:
        """Read a message of the child. Return False if it has ended."""
        try:
            message = channel.recv()
        except (OSError, EOFError):
            return False
        match message:
            case Reported(percent, text):
                self.attempt.reporter.report(percent, text)
            case Connected() as connected:
                self._backends.append(connected)
            case Started(pid):
                self.pid = pid
            case Returned() | Raised() as end:
                self._end = end
                if end.written:
                    self.attempt.decide(result=None, exception=None, store_result=False)
                    self.attempt.written = True
        return True

    # --- The end ---

    def _result(self) -> Any:
        if self._end is None or self._asked is not None:
            # A statement may still run in the server of the database, though its process is gone.
            backends.end(self._backends)
        match self._end:
            case Returned(result):
                return unpack_result(result)
            case Raised(packed, failure):
                error = unpack_exception(packed)
                if isinstance(error, MemoryError) and self.job.limits.memory_bytes is not None:
                    raise OverMemoryLimitError(f"over its memory limit of {self.job.limits.memory_text} ({REFUSED})")
                self.attempt.child_failure = failure
                raise error
        if self._is_stopped and self._asked is not None and not (self._verdict and self._verdict.over):
            raise self._asked
        why = self._why()
        # It was raised in no code that would tell more.
        self.attempt.child_failure = replace(Failure.of(why), traceback="")
        raise why

    def _why(self) -> ChildError:
        """Return why the process ended before the function did."""
        verdict, limits = self._verdict, self.job.limits
        if verdict is None:
            return ChildError("its keeper was killed from outside" if self.pid else "its process could not be started")
        status = verdict.status
        if verdict.over == "time" and limits.hard_ms is not None:
            return OverTimeLimitError(f"over its hard time limit of {limits.hard_ms / 1000:g} s")
        if verdict.over == "memory":
            peak = in_units(verdict.peak_bytes)
            return OverMemoryLimitError(f"over its memory limit of {limits.memory_text} (peak {peak})")
        if limits.cpu_seconds is not None and (verdict.over == "cpu" or -status == signal.SIGXCPU):
            used = f"used {verdict.cpu_seconds:.1f} s"
            return OverCpuLimitError(f"over its CPU limit of {limits.cpu_seconds:g} s ({used})")
        if -status == signal.SIGKILL:
            return ChildError("killed by signal 9 from outside (out of memory?)")
        if status < 0:
            return ChildError(f"killed by signal {-status} ({_name(-status)})")
        if status == EXIT_NO_LINE:
            return ChildError("it closed the connection to its worker process, perhaps with all file descriptors")
        return ChildError(f"os._exit({status}): its process ended before the actor returned")


def _name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:
        return "real-time"
