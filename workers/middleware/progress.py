"""The progress middleware: gives the ledger the start, the progress and the outcome of a task."""

import logging
from typing import TYPE_CHECKING, Any

from django.db import connections
from dramatiq import Middleware
from dramatiq.broker import MessageProxy
from dramatiq.middleware import SkipMessage
from dramatiq.threading import Interrupt

from apps.tasks import progress, states
from apps.tasks.errors import TaskError
from workers.process.attempt import Attempt, ClaimedMessage

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)


class NotOursError(TaskError, SkipMessage):
    """Nothing may start: the process may have lost its claims while it was frozen."""


class CancelledError(TaskError, SkipMessage):
    """The task was cancelled while it waited in this process."""


class Progress(Middleware):
    """Marks an attempt as started, binds `apps.tasks.progress` to it, and settles its outcome.

    It stands before `Retries`, `Callbacks` and `Pipelines` in the list. After-hooks run from the end of the list to its
    start, so these have decided by then. The process's writer writes the outcome.
    """

    @property
    def actor_options(self) -> set[str]:
        """Options that an actor may be declared with.

        related_to: Label of the model whose id is the first argument, such as "documents.Document".
        max_age: Milliseconds after its time in which a task may still start.
        """
        return {"related_to", "max_age"}

    def before_process_message(self, broker: "LedgerBroker", message: MessageProxy) -> None:  # type: ignore[override]
        attempt = _attempt(message)
        if attempt is None:
            return
        if attempt.outcome is not None:
            raise NotOursError("the claim was released already")
        if broker.runtime is not None and not broker.runtime.heartbeat.is_fresh:
            attempt.release()
            raise NotOursError("no heartbeat was confirmed lately")
        if attempt.cancelled:
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
        actor = broker.actors.get(message.actor_name)
        default = actor.options.get("store_results", True) if actor else True
        attempt.decide(result=result, exception=exception, store_result=message.options.get("store_results", default))
        if isinstance(exception, Interrupt):
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
    outcome = attempt.outcome
    assert outcome is not None, "an attempt is settled before it is logged"
    logger.info(
        "task %s id=%s actor=%s status=%s attempt=%d ms=%d%s",
        "finished" if outcome.move.target in states.TERMINAL else "returned",
        attempt.claim.task_id,
        attempt.message.actor_name,
        outcome.move.target,
        attempt.claim.attempt,
        outcome.ran_ms or 0,
        f" error={outcome.error_message[:200]!r}" if outcome.error_message else "",
    )
