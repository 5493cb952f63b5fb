"""A supervisor over child processes: it replaces a child that dies, and the siblings go on.

`bin/run` supervises the server, the web, the worker and the scheduler with it, and `manage.py runworker` its worker
processes and the relay. One thread a child waits for its end, so a death is known at once. Everything else, callbacks
included, happens in the one thread that calls `run()`.
"""

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any, TextIO

from apps.tasks.errors import TaskError
from workers.supervision import orphans, restarts
from workers.supervision.child import Child, ending
from workers.supervision.lines import Lines
from workers.supervision.restarts import Restarts
from workers.supervision.terminal import Terminal
from workers.supervision.watchdog import Watchdog, kill_group

__all__ = ["Child", "GaveUpError", "Supervisor"]

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds between two looks around while nothing happens. A signal in the instant before a wait does not end the wait.
LOOK_SECONDS = 0.5


class GaveUpError(TaskError):
    """A child ended again and again, right after its start."""


@dataclass(eq=False)
class Place:
    """One child: its current process, and the deaths of those before."""

    child: Child
    lines: Lines
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    restarts: Restarts = field(default_factory=Restarts)


class Supervisor:
    """Starts children, replaces each that ends, and stops them all.

    Parameters:
      prefixed: Show the children's lines with their names in front. False: they write to the supervisor's own
        stdout and stderr.
      give_up_after: Number of deaths of one child within `PROVEN_SECONDS` that ends the run. None: no limit.
      on_start: Called with a child and its pid after each start.
      on_exit: Called with a child, its pid and its return code (negative: the signal) when it ends, also while
        stopping. Both are called in the thread of `run()` or `start()`. An error in them is logged.
      keep_open: File descriptors, such as a lock's, that stay open until the last child is gone, even if the
        supervisor is killed.
      stream: Stream of the prefixed lines. None: stdout.

    As a context manager it handles SIGINT, SIGTERM and SIGHUP (in the main thread) from its start and stops all
    children at its end. The first signal before `run()` raises KeyboardInterrupt. Repeats do nothing, not even
    after its end: the process is about to stop, and an impatient Ctrl-C must not cut that short.
    """

    def __init__(
        self,
        *,
        prefixed: bool = False,
        give_up_after: int | None = None,
        on_start: Callable[[Child, int], None] | None = None,
        on_exit: Callable[[Child, int, int], None] | None = None,
        keep_open: Sequence[int] = (),
        stream: TextIO | None = None,
    ) -> None:
        self.prefixed = prefixed
        self.give_up_after = give_up_after
        self.on_start = on_start
        self.on_exit = on_exit
        self._keep_open = keep_open
        self.terminal = Terminal(stream or sys.stdout)
        self._places: dict[str, Place] = {}
        # A SimpleQueue: a signal handler may put into it at any time.
        self._inbox: queue.SimpleQueue[tuple[Place, int, int] | None] = queue.SimpleQueue()
        self._watchdog: Watchdog | None = None
        self._stop_asked = False
        self._signalled = False
        self._looping = False
        self._launching = False
        self._stopping = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Supervisor":
        if threading.current_thread() is threading.main_thread():
            self._handlers = {signum: signal.signal(signum, self._take_signal) for signum in STOP_SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_asked = True  # From here on a signal raises nothing.
        try:
            self.stop()
        finally:
            for signum, handler in self._handlers.items():
                signal.signal(signum, signal.SIG_IGN if self._signalled else handler)
            self._handlers = {}

    def start(self, child: Child) -> int:
        """Start a child, keep it running and return its pid.

        Raises:
          OSError: The program cannot be started.
        """
        if child.name in self._places:
            raise ValueError(f"There is a child {child.name!r} already; names are unique")
        lines = Lines(child.name, terminal=self.terminal, shown=child.shown, colour=len(self._places))
        place = Place(child=child, lines=lines)
        self._launching = True
        try:
            pid = self._launch(place)
            self._places[child.name] = place
        finally:
            self._launching = False
        if self._stop_asked and not self._looping:
            raise KeyboardInterrupt
        return pid

    def run(self) -> int:
        """Keep the children running until a stop is requested, then stop them. Return the exit code: 1 if given up."""
        with contextlib.ExitStack() as stack:
            self._looping = True  # From here on a signal is an event, not a KeyboardInterrupt.
            if not self._handlers:
                stack.enter_context(self)
            try:
                while not self._stop_asked:
                    self._turn()
            except GaveUpError as error:
                self._stop_asked = True
                self.stop()
                self._shout(str(error))
                return 1
            finally:
                self._looping = False
            if self.prefixed:
                self.write("Stopping ...")
            self.stop()
            return 0

    def request_stop(self) -> None:
        """Make `run()` stop everything and return. Threads and signal handlers may call this, repeatedly."""
        self._stop_asked = True
        self._inbox.put(None)

    def stop(self) -> None:
        """Stop all children in their order. Return when every one is gone."""
        self._stopping = True
        for place in self._places.values():
            place.restarts.cancel()
        for order in sorted({place.child.stop_order for place in self._places.values()}):
            self._stop_group([place for place in self._places.values() if place.child.stop_order == order])
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None

    def pid(self, name: str) -> int | None:
        """Return the pid of a child's current process. None: it is down."""
        process = self._places[name].process
        return process.pid if process is not None else None

    def alive(self, name: str) -> bool:
        """Return whether a child's current process runs."""
        process = self._places[name].process
        return process is not None and process.poll() is None

    def show_tail(self, name: str) -> None:
        """Show the last lines of a prefixed child."""
        lines = self._places[name].lines
        if not self.alive(name):
            lines.wait()
        lines.show_tail()

    def tail(self, name: str) -> list[str]:
        """Return the last lines of a prefixed child."""
        return list(self._places[name].lines.tail)

    def say(self, name: str, text: str) -> None:
        """Write a line under a name that is no child's."""
        self.terminal.say(name, text)

    def write(self, text: str) -> None:
        """Write whole lines as they are."""
        self.terminal.write(text)

    def _take_signal(self, signum: int, frame: FrameType | None) -> None:
        first = not self._stop_asked
        self._signalled = True
        self.request_stop()
        if first and not self._looping and not self._launching:
            raise KeyboardInterrupt

    def _turn(self) -> None:
        """Wait for one event, or for the next replacement that is due."""
        due = [place.restarts.due_at for place in self._places.values() if place.restarts.due_at is not None]
        self._take_event(max(0.0, min(due) - time.monotonic()) if due else LOOK_SECONDS)
        if os.getpid() == 1:
            orphans.reap(own=self._pids())
        for place in self._places.values():
            if place.restarts.is_due and not self._stop_asked:
                self._relaunch(place)

    def _take_event(self, timeout: float) -> None:
        """Wait for one event, at most for the timeout or `LOOK_SECONDS`, and note the end that it tells of."""
        with contextlib.suppress(queue.Empty):
            if (event := self._inbox.get(timeout=min(timeout, LOOK_SECONDS))) is not None:
                self._bury(*event)

    def _pids(self) -> set[int]:
        """Return the pids of the processes that it started and waits for."""
        pids = {place.process.pid for place in self._places.values() if place.process is not None}
        return pids if self._watchdog is None else pids | {self._watchdog.pid}

    def _launch(self, place: Place) -> int:
        if self._watchdog is None:
            self._watchdog = Watchdog(keep_open=self._keep_open)
        child = place.child
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if self.prefixed else {}
        process = child.popen(**output)
        self._watchdog.hold(
            process.pid,
            stop_signal=child.stop_signal,
            stop_order=child.stop_order,
            grace_seconds=child.grace_seconds,
        )
        place.process, place.started_at = process, time.monotonic()
        place.restarts.cancel()
        try:
            threading.Thread(target=self._await, args=(place, process), name=f"{child.name} waits", daemon=True).start()
        except RuntimeError as error:  # No room for a thread just now.
            kill_group(process.pid)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
            self._watchdog.release(process.pid)
            place.process = None
            raise OSError(str(error)) from error
        if self.prefixed:
            assert process.stdout is not None
            place.lines.read(process.stdout)
        if self.on_start is not None:
            self._call(self.on_start, child, process.pid)
        return process.pid

    def _relaunch(self, place: Place) -> None:
        try:
            self._launch(place)
        except OSError as error:
            self._tell(place, f"could not be started: {error}")
            self._plan_restart(place)

    def _await(self, place: Place, process: "subprocess.Popen[bytes]") -> None:
        returncode = process.wait()
        self._inbox.put((place, process.pid, returncode))

    def _bury(self, place: Place, pid: int, returncode: int) -> None:
        """Note the end of a process and plan its replacement, unless everything is being stopped."""
        kill_group(pid)  # Its orphans would stand in the way of the next process.
        if self._watchdog is not None:
            self._watchdog.release(pid)
        place.process = None
        if self.on_exit is not None:
            self._call(self.on_exit, place.child, pid, returncode)
        place.lines.wait()
        if self._stopping or self._stop_asked:
            return
        if returncode == place.child.planned_code:
            place.restarts.renew()
            return
        if not place.child.shown:
            place.lines.show_tail()
        self._tell(place, ending(returncode))
        self._plan_restart(place)

    def _plan_restart(self, place: Place) -> None:
        pause = place.restarts.plan(started_at=place.started_at)
        deaths = place.restarts.recent_deaths
        if self.give_up_after is not None and deaths >= self.give_up_after:
            lines = "".join(f"\n  {line}" for line in place.lines.tail)
            raise GaveUpError(
                f"{place.child.name} ended {deaths} times within {restarts.PROVEN_SECONDS:.0f} s; stopped."
                + (f" Its last lines:{lines}" if lines else "")
            )
        if pause:
            self._tell(place, f"starts again in {pause:g} s")

    def _stop_group(self, group: list[Place]) -> None:
        began = time.monotonic()
        for place in group:
            if place.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    place.process.send_signal(place.child.stop_signal)
        killed: set[int] = set()
        while alive := [place for place in group if place.process is not None]:
            graces = [p.child.grace_seconds for p in alive if p.process and p.process.pid not in killed]
            self._take_event(max(0.0, began + min(graces) - time.monotonic()) if graces else LOOK_SECONDS)
            for place in alive:
                process = place.process
                late = time.monotonic() >= began + place.child.grace_seconds
                if process is not None and late and process.pid not in killed:
                    self._tell(place, f"did not stop within {place.child.grace_seconds:g} s, is killed")
                    killed.add(process.pid)
                    kill_group(process.pid)

    def _tell(self, place: Place, text: str) -> None:
        if self.prefixed:
            place.lines.say(text)
        else:
            logger.warning("child %s name=%s", text, place.child.name)

    def _shout(self, text: str) -> None:
        if self.prefixed:
            self.write(text)
        else:
            logger.error("%s", text)

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            callback(*arguments)
        except Exception:
            logger.exception("a supervisor's callback failed callback=%r", callback)
