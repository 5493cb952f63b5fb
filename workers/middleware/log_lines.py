"""`keep_logs=` of an actor, and the handler that gives log lines to running tasks. The process's writer writes them."""

from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy

from apps.tasks import log_handler


class LogLines(Middleware):
    """Keeps the lines that tasks log, while a worker works in this process."""

    @property
    def actor_options(self) -> set[str]:
        """keep_logs: False to keep none of its log lines."""
        return {"keep_logs"}

    @property
    def message_options(self) -> set[str]:
        """None."""
        return set()

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        log_handler.install()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        log_handler.remove()

    def before_child_work(self, broker: Broker, message: MessageProxy) -> None:
        log_handler.install()
