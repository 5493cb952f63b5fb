"""The wall clock of some processes, which can be stepped: libfaketime, where it is installed.

python -m tests.chaos.clock -m MODULE ...    # runs a module in a process that has such a clock, or a file
"""

import json
import os
import runpy
import select
import sys
import time
from pathlib import Path

#: Variables that load the clock, as JSON, in the environment of processes that shall have it.
VARIABLE = "CHAOS_CLOCK"
LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")


def library() -> Path | None:
    """Return the path of libfaketime. None: it is not installed."""
    return next((path for pattern in LIBRARIES for path in sorted(Path("/").glob(pattern.lstrip("/")))), None)


class Clock:
    """A wall clock. The monotonic clock of its processes stays as it is.

    Parameters:
      path: File that says how far the clock is off. The processes read it every second.
    """

    def __init__(self, path: Path, *, preload: Path) -> None:
        self.path = path
        self.preload = preload
        self.step(0)

    def step(self, seconds: int) -> None:
        """Set the clock that far off the machine's."""
        new = self.path.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self.path)

    @property
    def variables(self) -> dict[str, str]:
        """Environment of a process that has this clock. `take` makes it so."""
        loaded = {
            "LD_PRELOAD": str(self.preload),
            "FAKETIME_TIMESTAMP_FILE": os.fspath(self.path),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        return {VARIABLE: json.dumps(loaded)}


def take() -> None:
    """Start this process's program again with the clock of its environment, if there is one.

    A supervisor stays as it is: its watchdog, which has no Django, could not sleep.
    """
    loaded = os.environ.pop(VARIABLE, None)
    if loaded is None:
        if "faketime" in os.environ.get("LD_PRELOAD", ""):
            mend_sleep()  # A process that one with such a clock has started, as that of isolated tasks.
        return
    if "runworker" in sys.argv and "--single" not in sys.argv:
        os.environ[VARIABLE] = loaded  # For its children.
        return
    argv = [argument for argument in sys.orig_argv[1:] if argument != "-P"]
    os.execve(sys.executable, [sys.executable, "-m", "tests.chaos.clock", *argv], os.environ | json.loads(loaded))


def mend_sleep() -> None:
    """Let `time.sleep` work, before anything has imported it: libfaketime refuses Python's monotonic deadlines."""
    time.sleep = lambda seconds, /: select.select((), (), (), float(seconds))  # type: ignore[assignment]


if __name__ == "__main__":
    mend_sleep()
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
