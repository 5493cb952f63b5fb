"""Work in another thread, with database connections of its own."""

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connection, connections

T = TypeVar("T")


def beside(work: Callable[[], T]) -> T:
    """Return the result of `work` in another thread, which must not wait for the locks of this one."""
    results: list[T] = []

    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        try:
            results.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert results, "it waited for the lock"
    return results[0]
