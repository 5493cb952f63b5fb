"""Call a function from several threads at the same time."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

Value = TypeVar("Value")

TIMEOUT_SECONDS = 60


def at_once(call: Callable[[int], Value], *, times: int) -> list[Value]:
    """Return the values of the calls, each with its number and a connection of its own. They begin together."""
    barrier = threading.Barrier(times)

    def run(number: int) -> Value:
        try:
            barrier.wait(timeout=TIMEOUT_SECONDS)
            return call(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times), timeout=TIMEOUT_SECONDS))
