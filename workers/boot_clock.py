"""A clock that goes on while the machine sleeps or the process is frozen."""

import time


def boot_seconds() -> float:
    """Seconds since the machine was started."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
