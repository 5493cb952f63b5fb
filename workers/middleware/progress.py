"""The progress middleware: gives the ledger the start, the progress and the outcome of a task."""

import logging
from typing import TYPE_CHECKING, Any

from django.db import connections
from dramatiq import Actor, Middleware, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import SkipMessage
from dramatiq.threading import Interrupt

from apps.tasks import progress, states
from apps.tasks.errors import TaskError
from apps.tasks.failures import in_words
from apps.tasks.log_context import fields_of
from workers.process.attempt import MESSAGE_START_LENGTH, REFUSED, Attempt, ClaimedMessage, is_a
from workers.process.withheld import withheld, withhold
from workers.sending import arguments

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)


#: Words of the log line for a move that leads back to pending.
RETURNED = {states.SNOOZE: "task snoozed"}


class NotOursError(TaskError, SkipMessage):
    """Nothing may start: the process may have lost its claims while it was frozen."""


class CancelledError(TaskError, SkipMessage):
    """The task was cancelled while it waited in this process."""


class Progress(Middleware):
    """Marks an attempt as started, binds `apps.tasks.progress` to it, and settles its outcome.

    It stands before `Retries`, `Callbacks` and `Pipelines` in the list. After-hooks run from the end of the list to its
    start, so these have decided by then. The process's writer writes the outcome.
    """

    on_event_loop = True

    @property
    def actor_options(self) -> set[str]:
        """Options that an actor may be declared with.

        related_to: Label of the model whose id is the first argument, such as "documents.Document".
        max_age: Milliseconds after its time in which a task may still start.
        expires: The same as a timedelta.
        """
        return {"related_to", "max_age", "expires"}

    @property
    def message_options(self) -> set[str]:
        """Options that a message may have. Others, such as `delay`, are the broker's.

        store_results: False: the row does not keep the result.
        """
        return {"store_results"}

    def before_worker_boot(self, broker: "LedgerBroker", worker: Worker) -> None:  # type: ignore[override]
        withhold()

    def after_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        actor.logger.addFilter(withheld)

    def before_process_message(self, broker: "LedgerBroker", message: MessageProxy) -> None:  # type: ignore[override]
        attempt = _attempt(message)
        if attempt is None:
            return
        if attempt.outcome is not None:
            raise NotOursError("the claim was released already")
        if broker.runtime is not None and not broker.runtime.heartbeat.is_fresh:
            attempt.release()
            raise NotOursError("no heartbeat was confirmed lately")
        if broker.runtime is not None and broker.runtime.holdings.paused.holds(message):
            attempt.release()
            raise NotOursError("its queue or actor is paused")
        if attempt.cancellation.is_requested:
            attempt.cancel()
            raise CancelledError("it was cancelled before it started")
        progress.bind(attempt.reporter)
        attempt.begin()

    def after_process_message(  # type: ignore[override]
        self,
        broker: "LedgerBroker",
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        attempt = _attempt(message)
        if attempt is None:
            return
        Attempt.end_ending()
        progress.unbind()
        if message.failed and exception is None:
            attempt.skip(REFUSED, failed=True)
        actor = broker.actors.get(message.actor_name)
        default = actor.options.get("store_results", True) if actor else True
        attempt.decide(result=result, exception=exception, store_result=message.options.get("store_results", default))
        if is_a(exception, Interrupt):
            # It may have hit a query half-way.
            connections.close_all()
        _log(attempt)

    def after_skip_message(self, broker: "LedgerBroker", message: MessageProxy) -> None:  # type: ignore[override]
        attempt = _attempt(message)
        if attempt is None:
            return
        Attempt.end_ending()
        progress.unbind()
        attempt.skip("", failed=message.failed)
        _log(attempt)


def _attempt(message: MessageProxy) -> Attempt | None:
    """The attempt behind a message; None where no consumer of ours claimed it, as on a stub broker."""
    return message.attempt if isinstance(message, ClaimedMessage) else None


def _log(attempt: Attempt) -> None:
    """Log the end of an attempt: an error for a task that failed, a warning for one that is retried.

    Arguments may be large and secret, so the line has their types and sizes.
    """
    outcome = attempt.outcome
    assert outcome is not None, "an attempt is settled before it is logged"
    level = logging.INFO
    if outcome.error_message and not attempt.is_expected:
        level = logging.ERROR if outcome.move is states.FAIL else logging.WARNING
    if not logger.isEnabledFor(level):
        return
    ran_ms = int(outcome.ran_ms or 0)
    line = (
        "%s id=%s actor=%s status=%s attempt=%d ms=%d",
        "task finished" if outcome.move.target in states.TERMINAL else RETURNED.get(outcome.move, "task returned"),
        attempt.claim.task_id,
        attempt.message.actor_name,
        outcome.move.target,
        attempt.claim.attempt,
        ran_ms,
    )
    # Formats that have fields show these instead of the text.
    extra = {**fields_of(attempt.message), "outcome": outcome.move.name, "ms": ran_ms}
    if not outcome.error_message:
        logger.log(level, *line, extra=extra)
        return
    # A retried attempt has its traceback in the database.
    traceback = outcome.traceback.rstrip() if level == logging.ERROR else ""
    error = in_words(outcome.error_type, outcome.error_message)
    if len(error) > MESSAGE_START_LENGTH:
        error = f"{error[:MESSAGE_START_LENGTH]}…"
    logger.log(
        level,
        f"{line[0]} error=%r arguments=%s%s",
        *line[1:],
        error,
        arguments.types_and_sizes(attempt.message),
        f"\n{traceback}" if traceback else "",
        extra=extra | {"error": error, "traceback": traceback or None},
    )
