"""Starts and stops what a worker process needs, whichever command runs it."""

from typing import TYPE_CHECKING

from dramatiq import Middleware, Worker
from dramatiq.common import iter_queue

if TYPE_CHECKING:
    from workers.broker import LedgerBroker


class Lifecycle(Middleware):
    """Gives the broker its runtime when a worker boots, and lets go of all that it holds when the worker stops."""

    def before_worker_boot(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        # Here and not above: this module is loaded with the broker, before the models.
        from workers.runtime import Runtime

        broker.runtime = Runtime(broker, worker)
        broker.runtime.start()

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
            broker.runtime.close()
            broker.runtime = None
