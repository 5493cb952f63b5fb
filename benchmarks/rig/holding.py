"""Tasks that go on until they are let go."""

import os
import time

#: None is left behind by a benchmark that failed.
LONGEST_SECONDS = 120


def hold_until(path: str) -> None:
    """Return when there is such a file."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.01)
