"""How a process ended, as its parent sees it."""

import signal
from pathlib import Path

from apps.tasks.models import WorkerProcess
from workers.process.main import EXIT_DECLARED_DEAD, EXIT_RECYCLED

#: Signals that come of an error of the process itself.
ERRORS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP}


class Endings:
    """Tells how child processes ended.

    The kernel kills a process that it has no memory for with the signal of `kill -9`. It counts these in the control
    group, or for the machine. A kill counts as one of them if the number grew since the last look.
    """

    def __init__(self) -> None:
        self.kills = out_of_memory_kills()

    def look(self) -> None:
        """Note the number of kills. Call it every few seconds."""
        self.kills = out_of_memory_kills()

    def of(self, returncode: int) -> str:
        """Return a word of `WorkerProcess.ENDED_CHOICES`. Empty: the process itself told how it ended.

        Parameters:
          returncode: Exit code. Negative: the signal that ended it.
        """
        if returncode in (0, EXIT_RECYCLED):
            return ""
        if returncode == EXIT_DECLARED_DEAD:
            return WorkerProcess.ENDED_SILENT
        if returncode > 0 or -returncode in ERRORS:
            return WorkerProcess.ENDED_CRASHED
        before = self.kills
        if returncode == -signal.SIGKILL and out_of_memory_kills() > before:
            return WorkerProcess.ENDED_OUT_OF_MEMORY
        return WorkerProcess.ENDED_KILLED


def out_of_memory_kills(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of processes that the kernel killed for lack of memory. 0 where it cannot be known.

    Parameters:
      proc, groups: Where the kernel shows processes and control groups.
    """
    try:
        group = (proc / "self" / "cgroup").read_text().rpartition("::")[2].strip().lstrip("/")
    except OSError:
        group = ""
    for path in (groups / group / "memory.events", proc / "vmstat"):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, number = line.partition(" ")
            if name == "oom_kill" and number.strip().isdigit():
                return int(number)
    return 0
