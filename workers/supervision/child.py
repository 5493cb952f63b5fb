"""A child process of a supervisor, and how it ended."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Child:
    """A process to keep running.

    Parameters:
      name: Prefix of its lines, and its name in the log. Unique in a supervisor.
      argv: The program and its arguments.
      env: Whole environment. None: the supervisor's.
      cwd: Working directory. None: the supervisor's.
      user: Uid and gid that it runs as. None: the supervisor's.
      stop_order: Lower ones are stopped first, equal ones together. A later group waits until the earlier is gone.
      stop_signal: Signal that asks the process, not its group, to stop.
      grace_seconds: Seconds until its process group gets SIGKILL.
      planned_code: Exit code of a process that is to be replaced at once. Its end counts as no death.
      shown: Whether a prefixed supervisor shows its lines as they come. False: its last ones, if it ends unasked.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = field(default=None, hash=False, repr=False)
    cwd: Path | None = None
    user: int | None = None
    stop_order: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    planned_code: int | None = None
    shown: bool = True

    def popen(self, **options: Any) -> "subprocess.Popen[bytes]":
        """Start the process in a session of its own: a terminal's Ctrl-C must reach the supervisor alone."""
        if self.user is not None:
            options |= {"user": self.user, "group": self.user, "extra_groups": []}
        return subprocess.Popen(
            list(self.argv),
            env=None if self.env is None else dict(self.env),
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )


def ending(returncode: int) -> str:
    """Return how a process ended, in words."""
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"
