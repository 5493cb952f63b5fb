"""The workers of one system, while a benchmark runs."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from benchmarks.rig import processor
from benchmarks.rig.journal import Mark, Reader
from tests.commands import RunningCommand
from workers.supervision.watchdog import Watchdog, kill_group

#: A system that takes no task for so long does not work.
PATIENCE_SECONDS = 60
#: How often marks are looked for. It takes a little of the machine from what is measured.
LOOK_SECONDS = 0.02


class WorkersError(Exception):
    """The workers did not do what they were asked; what it says ends with their output."""


class Workers:
    """Commands that run, and what their tasks marked.

    Parameters:
      journal: An empty directory for the marks.
      log: Where what they write goes.
    """

    def __init__(
        self, commands: list[tuple[str, ...]], *, env: dict[str, str], journal: Path, log: Path, watchdog: Watchdog
    ) -> None:
        self.reader = Reader(journal)
        self.marks: dict[int, list[Mark]] = {}
        self.log = log
        self._start = lambda command, number: RunningCommand(
            *command, env=env, log=log.with_suffix(f".{number}.log"), watchdog=watchdog
        )
        self.commands = [self._start(command, number) for number, command in enumerate(commands)]
        self._argv = commands

    # --- What they do ---

    @property
    def pids(self) -> list[int]:
        """The processes that were started; what comes from them is not among them."""
        return [command.pid for command in self.commands]

    def processes(self, word: str = "") -> list[psutil.Process]:
        """All their living processes, or those with such a word on their command line."""
        return [
            process
            for pid in self.pids
            for process in processor.tree(pid)
            if not word or word in " ".join(_words(process))
        ]

    @property
    def output(self) -> str:
        return "\n".join(command.output for command in self.commands)

    def look(self) -> list[Mark]:
        """Take note of new marks. Returns those of tasks that had not started before."""
        first_ones = []
        for mark in self.reader.read():
            marks = self.marks.setdefault(mark[0], [])
            marks.append(mark)
            if len(marks) == 1:
                first_ones.append(mark)
        return first_ones

    def wait_for(
        self,
        condition: Callable[[], object],
        *,
        what: str,
        seconds: float = PATIENCE_SECONDS,
        every: float = LOOK_SECONDS,
    ) -> None:
        """Look at marks until the condition holds. Raises WorkersError after the time."""
        deadline = time.monotonic() + seconds
        while True:
            self.look()
            if condition():
                return
            if time.monotonic() > deadline:
                raise WorkersError(f"not within {seconds:g} s: {what}. The workers' output:\n{self.output[-5000:]}")
            time.sleep(every)

    def wait_for_marks(self, first: int, count: int, *, seconds: float = PATIENCE_SECONDS) -> list[Mark]:
        """The first mark of each of these tasks, once all have started. The time counts from the latest start."""
        wanted, deadline = range(first, first + count), time.monotonic() + seconds
        started = sum(number in self.marks for number in wanted)
        while True:
            new = sum(mark[0] in wanted for mark in self.look())
            started += new
            if started == count:
                return [self.marks[number][0] for number in wanted]
            if new:
                deadline = time.monotonic() + seconds
            if time.monotonic() > deadline:
                raise WorkersError(
                    f"{started} of {count} tasks started, and none in {seconds:g} s. The workers' output:\n"
                    f"{self.output[-5000:]}"
                )
            time.sleep(LOOK_SECONDS)

    def who_ran(self) -> set[int]:
        """The processes that have run a task."""
        return {pid for marks in self.marks.values() for _, _, pid in marks}

    # --- What is done to them ---

    @contextlib.contextmanager
    def frozen(self, is_safe: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Freeze all their processes: what is sent meanwhile waits for them.

        Parameters:
          is_safe: Whether none was frozen with a lock in its hand; if not, they go on for a moment.
        """
        for _ in range(100):
            self.freeze()
            if is_safe():
                break
            self.thaw()
            time.sleep(0.02)
        else:
            raise WorkersError("frozen workers held a lock a hundred times")
        try:
            yield
        finally:
            self.thaw()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, signum: signal.Signals) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signum)

    def restart_what_ended(self) -> None:
        """Start commands again that ended by themselves, as a platform does."""
        for number, command in enumerate(self.commands):
            if not command.alive:
                _end(command)
                self.commands[number] = self._start(self._argv[number], number)

    def ask_to_stop(self) -> None:
        self.thaw()
        for command in self.commands:
            if command.alive:
                command.process.send_signal(signal.SIGTERM)

    def stop(self, *, kill: bool = False) -> None:
        """End them, and all that came from them."""
        self.thaw()
        for command in self.commands:
            _end(command, kill=kill)


def _end(command: RunningCommand, *, kill: bool = False) -> None:
    """Ask it to stop; then make sure, without judging how it ended. Peers end with all kinds of codes."""
    family = processor.tree(command.pid)
    if command.alive:
        command.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.process.wait(10)
    psutil.wait_procs(family, timeout=5)
    kill_group(command.pid)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    command.process.wait()
    command.watchdog.release(command.pid)


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []
