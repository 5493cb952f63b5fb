"""Wait for other processes and threads."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

#: Seconds to wait for what must come, at most. A slow and busy machine takes long, and success ends the wait.
PATIENCE_SECONDS = 60.0


def wait_until(
    condition: Callable[[], Value],
    *,
    timeout: float = PATIENCE_SECONDS,
    every: float = 0.02,
    explain: Callable[[], object] = str,
) -> Value:
    """Return the first true value of the condition.

    Parameters:
      timeout: Seconds to wait at most.
      every: Seconds between two looks.
      explain: Returns the text of the error.

    Raises:
      AssertionError: The condition was not true within the timeout.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value!r} after {timeout:g} s {explain()}".strip())
        time.sleep(every)
