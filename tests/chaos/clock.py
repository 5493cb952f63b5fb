"""The wall clock of some processes, which can be stepped: libfaketime, where it is installed."""

import os
import select
import time
from pathlib import Path

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
        """Environment of a process that has this clock."""
        return {
            "LD_PRELOAD": str(self.preload),
            "FAKETIME_TIMESTAMP_FILE": os.fspath(self.path),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


def mend_sleep() -> None:
    """Let `time.sleep` work in a process of such a clock: libfaketime refuses Python's monotonic deadlines."""
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        time.sleep = lambda seconds, /: select.select((), (), (), float(seconds))  # type: ignore[assignment]
