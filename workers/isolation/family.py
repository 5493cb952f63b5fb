"""The processes of an isolated task: a child and all that descends from it."""

import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psutil

N = TypeVar("N", int, float)

#: A look for new descendants reads the whole process table. It takes this share of one processor at most.
SCAN_SHARE = 0.02
#: Seconds between two looks whether a killed process is gone.
KILL_SECONDS = 0.002


class Family:
    """The descendants of this process, a keeper, which adopts those whose parents end.

    Parameters:
      pid: The child.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.me = psutil.Process()
        self.members = [psutil.Process(pid)]
        #: Exit code of the child, or the negative number of a signal. None: it runs.
        self.status: int | None = None
        self._scan_due = 0.0

    def look(self) -> None:
        """Find new members, unless the last look was just now."""
        now = time.monotonic()
        if now < self._scan_due:
            return
        with suppress(psutil.Error):
            self.members = self.me.children(recursive=True)
        ended = time.monotonic()
        self._scan_due = ended + (ended - now) / SCAN_SHARE

    def resident_bytes(self) -> int:
        """Return the resident memory of all members. Pages that several of them share count for each."""
        return sum(_of(member, lambda one: one.memory_info().rss) for member in self.members)

    def memory_bytes(self) -> int:
        """Return the memory of all members. Of a page that several processes share, each has its part."""
        return sum(_of(member, _own_bytes) for member in self.members)

    def cpu_seconds(self) -> float:
        """Return the processor time of all members, those that have ended included."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ended.ru_utime + ended.ru_stime + sum(_of(member, _cpu) for member in self.members)

    def end(self, *, timeout_seconds: float) -> None:
        """Kill all members and wait until they are gone, also those that left the process group."""
        deadline = time.monotonic() + timeout_seconds
        while self.reap() and time.monotonic() < deadline:
            with suppress(ProcessLookupError, PermissionError):
                # The group at once: it cannot fork faster than this.
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(psutil.Error):
                for member in self.me.children(recursive=True):
                    with suppress(psutil.Error):
                        member.kill()
            time.sleep(KILL_SECONDS)

    def reap(self) -> bool:
        """Reap the members that have ended and are children of this process. Return whether it has others."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == self.pid:
                    self.status = os.waitstatus_to_exitcode(status)
                if not pid:
                    return True
        return False


def _own_bytes(member: psutil.Process) -> int:
    found = member.memory_full_info()
    return int(getattr(found, "pss", 0) or found.uss)


def _cpu(member: psutil.Process) -> float:
    times = member.cpu_times()
    return float(
        times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    )


def _of(member: psutil.Process, figure: Callable[[psutil.Process], N]) -> N | int:
    """Return a figure of a process. 0 if it has ended."""
    try:
        return figure(member)
    except psutil.Error:
        return 0
