"""Tasks that run until they are released."""

import os
import time

#: Seconds after which a task ends anyway, so that a failed benchmark leaves none behind.
LONGEST_SECONDS = 120


def hold_until(path: str) -> None:
    """Return once the file exists."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.01)
