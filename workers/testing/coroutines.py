"""Async actors in the thread of the test."""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from dramatiq.asyncio import get_event_loop_thread, set_event_loop_thread

T = TypeVar("T")


class ThisThread:
    """Takes the place of Dramatiq's event loop thread. Queries of the coroutine see the test's transaction."""

    def run_coroutine(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine to its end and return its result."""

        async def run() -> T:
            return await coro

        result: T = async_to_sync(run)()
        return result


@contextmanager
def in_this_thread() -> Iterator[None]:
    """Run the coroutines of async actors in this thread."""
    before = get_event_loop_thread()
    set_event_loop_thread(ThisThread())  # type: ignore[arg-type]
    try:
        yield
    finally:
        set_event_loop_thread(before)
