"""`raise Snooze(delay=...)`: the task puts itself off, without a retry and without a failure."""

import logging
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError
from dramatiq import Actor, Middleware
from dramatiq.broker import MessageProxy
from dramatiq.middleware import MiddlewareError

from apps.core.connections import close_broken
from apps.tasks.errors import Snooze, TaskError, TooManySnoozesError
from workers.process.attempt import Attempt, ClaimedMessage, is_a
from workers.process.failure import Failure

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)

#: Snoozes of a task whose actor does not set `max_snoozes`.
DEFAULT_MAX_SNOOZES = 100
#: Largest `max_snoozes`. The column has room for a few more.
LARGEST_MAX_SNOOZES = 30_000


class BadMaxSnoozesError(TaskError, MiddlewareError, ValueError):
    """documents.wait has max_snoozes=-1, must be a whole number from 0 to 30,000"""

    def __init__(self, actor_name: str, value: object) -> None:
        super().__init__(
            f"{actor_name} has max_snoozes={value!r}, must be a whole number from 0 to {LARGEST_MAX_SNOOZES:,}"
        )


class Snoozes(Middleware):
    """Decides whether a task that raised `Snooze` is put off. Its after-hook runs before those of `Retries` and others.

    A snoozed task has not ended: nothing is sent that follows a success or a failure.
    """

    on_event_loop = True

    @property
    def actor_options(self) -> set[str]:
        """max_snoozes: Number of times that a task may put itself off. One more, and it fails."""
        return {"max_snoozes"}

    @property
    def message_options(self) -> set[str]:
        """None. The actor says the time to wait."""
        return set()

    def before_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        value = actor.options.get("max_snoozes", DEFAULT_MAX_SNOOZES)
        if type(value) is not int or not 0 <= value <= LARGEST_MAX_SNOOZES:
            raise BadMaxSnoozesError(actor.actor_name, value)

    def after_process_message(  # type: ignore[override]
        self,
        broker: "LedgerBroker",
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        if not is_a(exception, Snooze) or not isinstance(message, ClaimedMessage):
            return
        if message.attempt.written or message.attempt.is_cancelled:
            return
        assert isinstance(exception, Snooze)
        max_snoozes = broker.get_actor(message.actor_name).options.get("max_snoozes", DEFAULT_MAX_SNOOZES)
        if _number_of(message.attempt) < max_snoozes:
            message.attempt.snooze_ms = exception.delay_ms
            return
        times = f"{max_snoozes:,} time{'' if max_snoozes == 1 else 's'}"
        error = TooManySnoozesError(f"It was put off {times}, and max_snoozes allows no more.")
        message.attempt.failure = Failure.of(error)


def _number_of(attempt: Attempt) -> int:
    """Return how often the task was snoozed so far. 0 if the database does not answer: a task does not fail by that."""
    from apps.tasks import ledger

    try:
        return ledger.snoozes_of(attempt.claim)
    except (DatabaseError, InterfaceError) as error:
        logger.error("snoozes are not counted, database does not answer id=%s error=%s", attempt.claim.task_id, error)
        close_broken()
        return 0
