"""What a supervisor keeps running, and how it ended."""

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
      name: What its lines and the log call it; unique in a supervisor.
      argv: The program and its arguments.
      env: Its whole environment. None: the supervisor's.
      cwd: Its working directory. None: the supervisor's.
      user: The uid, and gid, it runs as. None: the supervisor's.
      stop_order: Lower ones are stopped first, equal ones together; a later group only when the earlier is gone.
      stop_signal: What asks it to stop. It goes to the process, not to its group.
      grace_seconds: How long it may take; then its process group gets SIGKILL.
      shown: Whether a prefixed supervisor shows its lines as they come. False: the last ones, if it ends unasked.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = field(default=None, hash=False, repr=False)
    cwd: Path | None = None
    user: int | None = None
    stop_order: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    shown: bool = True

    def popen(self, **options: Any) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own: a terminal's Ctrl-C must reach the supervisor alone."""
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
    """How a process ended, in words."""
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"
