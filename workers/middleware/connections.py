"""Database connections of the threads of a worker process, between tasks."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from django.db import connections as django_connections
from dramatiq import Actor, Middleware, Worker
from dramatiq.broker import MessageProxy

from apps.core import connections
from apps.tasks import progress
from apps.tasks.errors import TaskError
from workers.process.attempt import Attempt, is_in_place
from workers.process.cancellation import Cancellation

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)

_submit_plain = ThreadPoolExecutor.submit


class OpenTransactionError(TaskError):
    """The task ended inside a transaction that it had begun, so its writes since then were rolled back."""


class Connections(Middleware):
    """Gives every task a connection that works and is outside of a transaction.

    A task that leaves a transaction open fails: nothing would commit its writes, and the next task would write into it.
    The same goes for each function that a task runs in a pool of threads.
    """

    on_event_loop = True

    def before_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        actor.fn = outside_transactions(actor.fn)

    def before_worker_boot(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        ThreadPoolExecutor.submit = _submit  # type: ignore[method-assign,assignment]

    def before_child_work(self, broker: "LedgerBroker", message: MessageProxy) -> None:
        """Guard the pools of threads in the child of an isolated task."""
        ThreadPoolExecutor.submit = _submit  # type: ignore[method-assign,assignment]

    def after_worker_shutdown(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        ThreadPoolExecutor.submit = _submit_plain  # type: ignore[method-assign]

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
        _end_task(message)

    def after_skip_message(self, broker: "LedgerBroker", message: MessageProxy) -> None:  # type: ignore[override]
        _end_task(message)

    def before_worker_thread_shutdown(self, broker: "LedgerBroker", thread: Any) -> None:  # type: ignore[override]
        django_connections.close_all()

    def before_consumer_thread_shutdown(self, broker: "LedgerBroker", thread: Any) -> None:  # type: ignore[override]
        django_connections.close_all()


def outside_transactions(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return an actor's function, which raises if it leaves a transaction open."""

    @wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        if Attempt.current() is None or connections.is_in_transaction():
            # Called as a function, perhaps by another actor inside a transaction of its own.
            return fn(*args, **kwargs)
        return _run(fn, *args, **kwargs)

    return run


def _end_task(message: MessageProxy) -> None:
    """Leave the thread's connections in order. The event loop has none, and pools look after theirs."""
    if not is_in_place(message):
        connections.end_task()


def _submit(pool: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
    """Let the function raise if it leaves a transaction open: the thread's next function may be another task's.

    The function of a task that is cancelled ends before its row says so.
    """
    if (cancellation := _cancellation()) is not None:
        fn = partial(cancellation.run_in_pool, fn)
    return _submit_plain(pool, partial(_run_in_pool, fn), *args, **kwargs)


def _cancellation() -> Cancellation | None:
    reporter = progress.current()
    return None if reporter is None or not isinstance(reporter.cancellation, Cancellation) else reporter.cancellation


def _run_in_pool(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    try:
        return _run(fn, *args, **kwargs)
    finally:
        connections.rest()


def _run(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    try:
        result = fn(*args, **kwargs)
    except BaseException:
        _roll_back()
        raise
    refuse_open_transaction()
    return result


def refuse_open_transaction() -> None:
    """Roll back what a function left open in this thread.

    Raises:
      OpenTransactionError: It left a transaction open.
    """
    if _roll_back():
        raise OpenTransactionError(
            "It ended inside a transaction, so its writes since then were rolled back. Every atomic() must be left, "
            "and autocommit turned on again, before the task, or its function in a pool of threads, ends."
        )


def _roll_back() -> bool:
    if not connections.roll_back():
        return False
    if (attempt := Attempt.current()) is not None:
        logger.warning(
            "transaction rolled back, its task ended inside it id=%s actor=%s",
            attempt.claim.task_id, attempt.message.actor_name,
        )  # fmt: skip
    return True
