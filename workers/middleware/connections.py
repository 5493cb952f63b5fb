"""Database connections of the threads of a worker process, between tasks."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.db import close_old_connections
from django.db import connections as django_connections
from dramatiq import Actor, Middleware
from dramatiq.broker import MessageProxy

from apps.core import connections
from apps.tasks.errors import TaskError
from workers.process.attempt import Attempt

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)


class OpenTransactionError(TaskError):
    """The task ended inside a transaction that it had begun, so its writes since then were rolled back."""


class Connections(Middleware):
    """Gives every task a connection that works and is outside of a transaction.

    A task that leaves a transaction open fails: nothing would commit its writes, and the next task would write into it.
    """

    def before_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        actor.fn = outside_transactions(actor.fn)

    def after_worker_thread_boot(self, broker: "LedgerBroker", thread: Any) -> None:  # type: ignore[override]
        connections.own()

    def after_consumer_thread_boot(self, broker: "LedgerBroker", thread: Any) -> None:  # type: ignore[override]
        connections.own(repeats=True)

    def after_process_message(  # type: ignore[override]
        self,
        broker: "LedgerBroker",
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        # An interrupt may have cut off the function that does it, too.
        connections.roll_back()
        close_old_connections()
        connections.rest()

    def after_skip_message(self, broker: "LedgerBroker", message: MessageProxy) -> None:  # type: ignore[override]
        close_old_connections()

    def before_worker_thread_shutdown(self, broker: "LedgerBroker", thread: Any) -> None:  # type: ignore[override]
        django_connections.close_all()

    def before_consumer_thread_shutdown(self, broker: "LedgerBroker", thread: Any) -> None:  # type: ignore[override]
        django_connections.close_all()


def outside_transactions(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return an actor's function, which raises if it leaves a transaction open."""

    @wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        attempt = Attempt.current()
        if attempt is None or connections.is_in_transaction():
            # Called as a function, perhaps by another actor inside a transaction of its own.
            return fn(*args, **kwargs)
        try:
            result = fn(*args, **kwargs)
        except BaseException:
            _roll_back(attempt)
            raise
        refuse_open_transaction(attempt)
        return result

    return run


def refuse_open_transaction(attempt: Attempt) -> None:
    """Roll back what the attempt left open.

    Raises:
      OpenTransactionError: It left a transaction open.
    """
    if _roll_back(attempt):
        raise OpenTransactionError(
            "It ended inside a transaction, so its writes since then were rolled back. "
            "Every atomic() must be left, and autocommit turned on again, before the task ends."
        )


def _roll_back(attempt: Attempt) -> bool:
    found = connections.roll_back(attempt.reporter)
    if found:
        logger.warning(
            "transaction rolled back, its task ended inside it id=%s actor=%s",
            attempt.claim.task_id, attempt.message.actor_name,
        )  # fmt: skip
    return found
