"""The workers of one system, while a benchmark runs."""

import contextlib
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

#: Seconds without a task after which a system counts as broken.
PATIENCE_SECONDS = 60
#: Seconds between two looks for marks. Each look takes a little time of the processor.
LOOK_SECONDS = 0.02


class WorkersError(Exception):
    """The workers did not do the expected. The text ends with their output."""


class Workers:
    """Running commands and the marks of their tasks.

    Parameters:
      journal: Empty directory for the marks.
      log: File for their output, which gets the number of the command as a suffix.
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

    # --- Looking ---

    @property
    def pids(self) -> list[int]:
        """Processes of the commands, without their descendants."""
        return [command.pid for command in self.commands]

    def processes(self, word: str = "") -> list[psutil.Process]:
        """Return all their living processes, or those with this word on their command line."""
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
        """Read new marks. Return those of tasks that had not started before."""
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
        awaited: str,
        seconds: float = PATIENCE_SECONDS,
        every: float = LOOK_SECONDS,
    ) -> None:
        """Read marks until the condition holds.

        Parameters:
          awaited: The condition in words, for the error.

        Raises:
          WorkersError: It does not hold after the time.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.look()
            if condition():
                return
            if time.monotonic() > deadline:
                raise WorkersError(f"not within {seconds:g} s: {awaited}. The workers' output:\n{self.output[-5000:]}")
            time.sleep(every)

    def wait_for_marks(self, first: int, count: int, *, seconds: float = PATIENCE_SECONDS) -> list[Mark]:
        """Return the first mark of each of these tasks, once all have started.

        Parameters:
          seconds: Longest time between two starts.
        """
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

    def pids_that_ran(self) -> set[int]:
        """Return the processes that have run a task."""
        return {pid for marks in self.marks.values() for _, _, pid in marks}

    # --- Acting ---

    @contextlib.contextmanager
    def frozen(self, is_safe: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Freeze all their processes. Tasks that are sent meanwhile wait.

        Parameters:
          is_safe: Returns whether no frozen process holds a lock. If one does, they continue for a moment.
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
        """Stop all processes and wait until each is stopped: one that writes to the disk stops after that."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._signal(signal.SIGSTOP)
            if all(_is_stopped(process) for process in self.processes()):
                return
            if time.monotonic() > deadline:
                raise WorkersError(f"a process did not stop within {PATIENCE_SECONDS:g} s")
            time.sleep(0.001)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, signum: signal.Signals) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signum)

    def restart_ended(self) -> None:
        """Restart commands that ended by themselves, as a platform does."""
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
        """End the commands and their descendants."""
        self.thaw()
        for command in self.commands:
            _end(command, kill=kill)


def _end(command: RunningCommand, *, kill: bool = False) -> None:
    """Ask the command to stop, then kill the rest. The exit code does not count: peers end with all kinds of codes."""
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


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []
