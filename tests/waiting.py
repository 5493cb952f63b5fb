"""Waiting for what other processes and threads do."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(
    condition: Callable[[], Value], *, timeout: float = 10, every: float = 0.02, explain: Callable[[], object] = str
) -> Value:
    """Return the condition's first true value; AssertionError after the timeout, with what `explain` says.

    Parameters:
      timeout, every: Seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value!r} after {timeout:g} s {explain()}".strip())
        time.sleep(every)
