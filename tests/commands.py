"""Commands that run as real processes beside a test."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from aiWriting.environment import BASE_DIR
from tests.waiting import PATIENCE_SECONDS, wait_until
from workers.supervision.watchdog import Watchdog, kill_group

GRACE_SECONDS = 40


def is_gone(pid: int) -> bool:
    """Return whether no such process runs. A zombie does not run."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


class RunningCommand:
    """One process, with its descendants and their output.

    Parameters:
      argv: Program and arguments.
      env: Whole environment.
      log: File for the output of the process and its children.
      cwd: Working directory.
      watchdog: Ends the process if pytest is killed.
    """

    def __init__(self, *argv: str, env: dict[str, str], log: Path, watchdog: Watchdog, cwd: Path = BASE_DIR) -> None:
        self.name = " ".join(argv)
        self.log = log
        self.watchdog = watchdog
        self.killed = False
        #: Exit codes that count as success.
        self.good_ends = {0}
        self.seen: dict[int, psutil.Process] = {}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        watchdog.hold(self.process.pid, stop_signal=signal.SIGTERM, stop_order=0, grace_seconds=GRACE_SECONDS)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def output(self) -> str:
        """Output of the process and its children so far."""
        return self.log.read_text(errors="replace")

    def descendants(self) -> list[psutil.Process]:
        """Return its living descendants."""
        try:
            found = list(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            found = []
        self.seen |= {process.pid: process for process in found}
        return found

    def wait_for(self, text: str, *, timeout: float = PATIENCE_SECONDS) -> None:
        """Return once the text was written.

        Raises:
          AssertionError: It was not within the timeout, or before the process ended. With the output.
        """

        def written_or_ended() -> bool:
            return text in self.output or not self.alive

        wait_until(written_or_ended, timeout=timeout, explain=lambda: f"waiting for {text!r} in:\n{self.output}")
        assert text in self.output, f"{self.name} ended with {self.process.returncode}:\n{self.output}"

    def send_signal(self, signum: signal.Signals) -> None:
        self.descendants()
        self.process.send_signal(signum)

    def kill(self) -> None:
        """Send SIGKILL to the process itself. Its exit code does not count any more."""
        self.killed = True
        self.send_signal(signal.SIGKILL)
        self.process.wait()

    def wait(self, *, timeout: float = PATIENCE_SECONDS) -> int:
        """Return the exit code once it ended.

        Raises:
          AssertionError: It still runs after the timeout. With the output.
        """
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout:g} s:\n{self.output}") from None

    def stop(self, *, timeout: float = PATIENCE_SECONDS) -> int:
        """Send SIGTERM if it runs. Return the exit code."""
        if self.alive:
            self.send_signal(signal.SIGTERM)
        return self.wait(timeout=timeout)

    def end(self) -> None:
        """Stop it if the test did not. Assert that it ended with a good exit code and left no process."""
        try:
            code = self.stop()
            assert code in self.good_ends or self.killed, f"{self.name} ended with exit code {code}:\n{self.output}"
            _, left = psutil.wait_procs(list(self.seen.values()), timeout=PATIENCE_SECONDS)
            assert not left, f"{self.name} left processes {left}:\n{self.output}"
        finally:
            kill_group(self.pid)
            self.process.wait()
            self.watchdog.release(self.pid)
            for process in self.seen.values():
                if process.is_running():
                    process.kill()


def manage(*arguments: str) -> tuple[str, ...]:
    """Return the argument list of a `manage.py` command."""
    return (sys.executable, str(BASE_DIR / "manage.py"), *arguments)


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with the changes, and with unbuffered output."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **changes}
