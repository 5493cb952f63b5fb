"""Starts and stops the runtime of a worker process, whichever command runs it."""

import signal
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from dramatiq import Middleware, Worker
from dramatiq.middleware import MiddlewareError

from apps.tasks.errors import TaskError
from workers.process.stop_request import STOP_SIGNALS

if TYPE_CHECKING:
    from workers.broker import LedgerBroker


def _once(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
    """Return a handler that passes the first signal on."""
    left = [handler]

    def take(signum: int, frame: FrameType | None) -> None:
        if left:
            left.pop()(signum, frame)

    return take


class BootError(TaskError, MiddlewareError):
    """The worker could not register itself, so it must not work. Dramatiq swallows errors of other classes."""


class Lifecycle(Middleware):
    """Gives the broker its runtime when a worker boots, and releases everything when the worker stops."""

    def after_process_boot(self, broker: "LedgerBroker") -> None:  # type: ignore[override]
        """Let repeated signals do nothing to `rundramatiq`, whose own handler cuts running tasks off at the second.

        Platforms signal every process of a group, and Dramatiq's master signals its workers once more.
        """
        for signum in STOP_SIGNALS:
            handler = signal.getsignal(signum)
            if callable(handler) and handler.__module__ == "dramatiq.cli":
                signal.signal(signum, _once(handler))

    def before_worker_boot(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        # Not at the top: this module is loaded with the broker, before the models.
        from workers import group_callbacks
        from workers.process.runtime import Runtime

        runtime = Runtime(
            worker,
            wire=broker.wire,
            actors=broker.actors,
            queues=broker.get_declared_queues,
            weights=broker.weights,
            settle_groups=partial(group_callbacks.settle, broker),
        )
        try:
            runtime.start()
        except Exception as error:
            raise BootError(f"the worker cannot start: {error}") from error
        broker.runtime = runtime

    def before_worker_shutdown(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        """Stop fetching and release the tasks that wait for a thread, at once."""
        if broker.runtime is None:
            return
        broker.runtime.stop_fetching()
        broker.runtime.release_waiting()

    def after_worker_shutdown(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        if broker.runtime is not None:
            runtime, broker.runtime = broker.runtime, None
            runtime.close()
