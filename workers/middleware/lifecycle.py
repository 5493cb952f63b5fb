"""Starts and stops what a worker process needs, whichever command runs it."""

from typing import TYPE_CHECKING

from dramatiq import Middleware, Worker
from dramatiq.common import iter_queue
from dramatiq.middleware import MiddlewareError

if TYPE_CHECKING:
    from workers.broker import LedgerBroker


class BootError(MiddlewareError):
    """The worker could not say that it begins to work, so it must not. Dramatiq swallows other kinds of errors."""


class Lifecycle(Middleware):
    """Gives the broker its runtime when a worker boots, and lets go of all that it holds when the worker stops."""

    def before_worker_boot(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        # Here and not above: this module is loaded with the broker, before the models.
        from workers.runtime import Runtime

        runtime = Runtime(broker, worker)
        try:
            runtime.start()
        except Exception as error:
            raise BootError(f"the worker cannot start: {error}") from error
        broker.runtime = runtime

    def before_worker_shutdown(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        """Stop fetching at once, and give back at once what waits for a thread."""
        if broker.runtime is None:
            return
        broker.runtime.stop_fetching()
        for item in iter_queue(worker.work_queue):
            worker.consumers[item.message.queue_name].requeue_messages([item.message])
            worker.work_queue.task_done()

    def after_worker_shutdown(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        if broker.runtime is not None:
            runtime, broker.runtime = broker.runtime, None
            runtime.close()
