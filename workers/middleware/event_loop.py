"""The event loop of async actors. It survives what a task does to it."""

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import dramatiq.asyncio
from dramatiq import Broker, Worker
from dramatiq.asyncio import get_event_loop_thread, set_event_loop_thread
from dramatiq.broker import MessageProxy
from dramatiq.middleware import AsyncIO

from apps.tasks.conf import conf
from apps.tasks.errors import Cancelled
from workers.process.attempt import Attempt
from workers.process.cancellation import Cancellation
from workers.process.stack import of_coroutine

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

T = TypeVar("T")

#: Seconds that a stopping process waits for the loop. A coroutine may block it.
STOP_SECONDS = 0.5
#: Seconds between two looks at a loop that goes on in a moment.
LOOK_SECONDS = 0.001


class EventLoopThread(dramatiq.asyncio.EventLoopThread):
    """Runs the loop again when a task has ended it.

    asyncio ends the loop with a task that raises SystemExit or KeyboardInterrupt, or that calls `loop.stop()`. With
    Dramatiq's thread, every later async task of the process waits until its time limit.
    """

    def __init__(self, logger: Any) -> None:
        super().__init__(logger)
        # A process that ends without a stop must not wait for it.
        self.daemon = True
        self._stopping = False

    def run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self.loop.run_forever()
                except (SystemExit, KeyboardInterrupt) as error:
                    # The task's future has the error, too: its own actor fails with it.
                    self.logger.error("event loop goes on, a task raised error=%r", type(error).__name__)
        finally:
            self.loop.close()

    def stop(self) -> None:
        """End the thread, and wait a moment for it."""
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # The loop is closed already.
            self.loop.call_soon_threadsafe(self.loop.stop)
        self.join(STOP_SECONDS)

    def run_coroutine(self, coro: Coroutine[Any, Any, T]) -> T:  # type: ignore[override]
        """Run the coroutine on the loop and return its result.

        Raises:
          RuntimeError: The thread is dead.
          Cancelled: The task was cancelled, and the coroutine has ended by it.
        """
        cancellation = None
        if (attempt := Attempt.current()) is not None:
            attempt.stack_of = partial(of_coroutine, coro, self)
            cancellation = attempt.cancellation
            coro = _cancellable(cancellation, coro)
        while True:
            try:
                return super().run_coroutine(coro)
            except CancelledError as error:
                if cancellation is None or cancellation.raised_at is None:
                    raise
                raise Cancelled from error
            except RuntimeError as error:
                # Dramatiq refuses it in the instant in which the loop begins again.
                is_refused = error.__cause__ is None and inspect.getcoroutinestate(coro) == inspect.CORO_CREATED
                if not is_refused or not self.is_alive():
                    raise
            time.sleep(LOOK_SECONDS)


async def _cancellable(cancellation: Cancellation, coro: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    return await cancellation.run_coroutine(coro, task)


class EventLoop(AsyncIO):
    """Starts the event loop with the worker and stops it with the worker."""

    @property
    def essential_threads(self) -> list[threading.Thread]:
        """Threads without which the process must end."""
        thread = get_event_loop_thread()
        return [thread] if thread is not None else []

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        self._start()

    def before_child_work(self, broker: Broker, message: MessageProxy) -> None:
        """Start a loop in the child of an isolated async task."""
        if inspect.iscoroutinefunction(inspect.unwrap(broker.get_actor(message.actor_name).fn)):
            self._start()

    def _start(self) -> None:
        thread = EventLoopThread(self.logger)
        thread.start(timeout=1.0)
        set_event_loop_thread(thread)

    def after_worker_shutdown(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        """Stop the loop, once its tasks have ended. `rundramatiq` has waited for those of threads alone."""
        if broker.runtime is not None:
            broker.runtime.coroutines.end(drain_seconds=conf.WORKER_DRAIN_SECONDS)
        if (thread := get_event_loop_thread()) is not None:
            thread.stop()
            set_event_loop_thread(None)
