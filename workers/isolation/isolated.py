"""A running child, as the thread of the worker process has it that waits for it."""

import logging
import math
import os
import signal
import threading
import time
from _thread import allocate_lock
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

from dramatiq.threading import Interrupt

from apps.tasks.errors import Cancelled, ChildError, OverCpuLimitError, OverMemoryLimitError, OverTimeLimitError
from apps.tasks.values import Frame
from workers.isolation import backends
from workers.isolation.child import EXIT_NO_LINE
from workers.isolation.limits import in_units
from workers.isolation.message import (
    Connected,
    End,
    Interruption,
    Job,
    Logged,
    Raised,
    Reported,
    Returned,
    Shielded,
    Stack,
    StackWanted,
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
#: Seconds that a cancelled function may clean up, after its last shielded section. Then its processes are killed.
GRACE_SECONDS = 10.0
#: Seconds after which the stack that a child has sent shows the past.
STACK_SECONDS = 2.0
#: Seconds that a keeper may take to end the processes. One that has not answered by then is frozen, or never began.
VERDICT_SECONDS = 15.0
#: Seconds until the death of a child by a kill is told. If all processes of the worker are being killed, this one dies
#: meanwhile, and its task runs again instead of failing.
DYING_SECONDS = 0.5
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
        #: When a cancelled function is killed, by the monotonic clock.
        self._kill_at: float | None = None
        #: The keeper is to kill the processes, and was told.
        self._is_stopped = False
        self._is_told = False
        #: When a stopped task waits for its keeper no more, by the monotonic clock.
        self._leave_at = math.inf
        #: The stack of the function is wanted, and the child was asked for it.
        self._wants_stack = False
        self._is_stack_asked = False
        #: The stack that came last, with its time by the monotonic clock.
        self._stack: tuple[list[Frame], float] = ([], 0.0)
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
        while True:
            try:
                while not self._is_over:
                    self._over.acquire(timeout=TICK_SECONDS)
                    self._look_at_cancellation()
                return self._result()
            except Interrupt as error:
                if self._is_over:
                    raise
                self._asked, self._is_asked = error, True

    def _look_at_cancellation(self) -> None:
        """Pass a request to cancel on, and let a function be killed that does not follow it."""
        if self._kill_at is None and self.attempt.cancellation.is_requested:
            self._kill_at = time.monotonic() + GRACE_SECONDS
            self._asked, self._is_asked = Cancelled(), True
        elif self._kill_at is not None and time.monotonic() > self._kill_at:
            self._is_stopped = True

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

    def stack(self) -> list[Frame]:
        """Return the stack of the function, the outermost frame first. Empty: the child is asked for it. Look again."""
        frames, sent_at = self._stack
        self._stack = ([], 0.0)
        if time.monotonic() - sent_at > STACK_SECONDS:
            frames = []
        self._wants_stack = not frames
        return frames

    # --- The thread that speaks ---

    def _exchange(self, control: Connection, channel: Connection) -> None:
        # At the end both are closed. That ends the processes, if there still are any.
        try:
            with control, channel:
                if self._is_stopped:
                    return
                control.send(self.job.limits)
                channel.send(self.job)
                open_ends = [control, channel]
                while self._verdict is None and time.monotonic() < self._leave_at:
                    ready = wait(open_ends, TICK_SECONDS)
                    if channel in ready and not self._hear(channel):
                        open_ends.remove(channel)
                    if control in ready:
                        self._verdict = control.recv()
                    self._tell(control, channel)
                if self._verdict is None:
                    self._kill()
                # All that the child sent is here by now. A process that got away may keep the socket open.
                while channel.poll() and self._hear(channel):
                    pass
        except (OSError, EOFError) as error:
            # The keeper was killed, or could not be started.
            logger.warning("isolated task has no keeper id=%s error=%r", self.job.claim.task_id, error)
        except BaseException:
            logger.exception("isolated task lost id=%s", self.job.claim.task_id)
        finally:
            self._is_over = True
            self._over.release()

    def _kill(self) -> None:
        """Kill the child in place of its keeper, which does not answer and so has not reaped it."""
        logger.error("keeper of an isolated task does not answer id=%s", self.job.claim.task_id)
        if self.pid is not None:
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

    def _tell(self, control: Connection, channel: Connection) -> None:
        """Pass on what the thread of the task wants."""
        if self._is_asked and self._asked is not None:
            self._is_asked = False
            with suppress(OSError):
                channel.send(Interruption(type(self._asked)))
        if self._wants_stack and not self._is_stack_asked:
            # Once until it answers: a child that cannot must not fill the socket.
            self._wants_stack, self._is_stack_asked = False, True
            with suppress(OSError):
                channel.send(StackWanted())
        if self._is_stopped and not self._is_told:
            self._is_told, self._leave_at = True, time.monotonic() + VERDICT_SECONDS
            # A keeper that has just ended by itself has left its verdict.
            with suppress(OSError):
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
            case Logged(lines):
                self.attempt.reporter.log.extend(lines)
            case Connected() as connected:
                self._backends.append(connected)
            case Stack(frames):
                self._is_stack_asked = False
                self._stack = (frames, time.monotonic())
            case Started(pid):
                self.pid = pid
            case Shielded():
                self._kill_at = time.monotonic() + GRACE_SECONDS
            case Returned() | Raised() as end:
                self._end = end
                if end.put_off is not None:
                    delay_ms, options = end.put_off
                    self.attempt.retry(delay_ms=delay_ms, options=options)
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
            case Returned(result, _, _):
                return unpack_result(result)
            case Raised(packed, failure, _, cancelled, _):
                error = unpack_exception(packed)
                if isinstance(error, MemoryError) and self.job.limits.memory_bytes is not None:
                    raise OverMemoryLimitError(f"over its memory limit of {self.job.limits.memory_text} ({REFUSED})")
                self.attempt.child_failure = failure
                if cancelled:
                    self.attempt.cancellation.raised_at = time.monotonic()
                raise error
        if self._kill_at is not None:
            # It was asked to end, so it ends cancelled, whatever ended it.
            self.attempt.cancellation.raised_at = time.monotonic()
        if self._is_stopped and self._asked is not None and not (self._verdict and self._verdict.over):
            raise Cancelled if self._kill_at is not None else self._asked
        why = self._why()
        # It was raised in no code that would tell more.
        self.attempt.child_failure = replace(Failure.of(why), traceback="")
        raise why

    def _why(self) -> ChildError:
        """Return why the process ended before the function did."""
        verdict, limits = self._verdict, self.job.limits
        if verdict is None:
            if not self.pid:
                return ChildError("its process could not be started")
            time.sleep(DYING_SECONDS)
            return ChildError("its keeper was killed from outside")
        status = verdict.status
        if verdict.over == "time" and limits.hard_ms is not None:
            return OverTimeLimitError(f"over its hard time limit of {limits.hard_ms / 1000:g} s")
        if verdict.over == "memory":
            peak = in_units(verdict.peak_bytes)
            return OverMemoryLimitError(f"over its memory limit of {limits.memory_text} (peak {peak})")
        # The kernel holds the limit, too, with either signal.
        is_spent = verdict.cpu_seconds > (limits.cpu_seconds or 0) and -status in (signal.SIGXCPU, signal.SIGKILL)
        if limits.cpu_seconds is not None and (verdict.over == "cpu" or is_spent):
            used = f"used {verdict.cpu_seconds:.1f} s"
            return OverCpuLimitError(f"over its CPU limit of {limits.cpu_seconds:g} s ({used})")
        if -status == signal.SIGKILL:
            time.sleep(DYING_SECONDS)
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
