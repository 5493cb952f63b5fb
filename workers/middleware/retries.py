"""Automatic retries: Dramatiq's rules, for any exception."""

import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dramatiq import middleware
from dramatiq.broker import MessageProxy
from dramatiq.common import compute_backoff
from dramatiq.errors import Retry
from dramatiq.middleware.retries import DEFAULT_MAX_BACKOFF

from apps.tasks.errors import BadSnoozeError, Snooze
from workers.middleware.callbacks import follow, is_settled
from workers.process.attempt import ClaimedMessage, failure_of, is_a

if TYPE_CHECKING:
    from dramatiq import Actor, Broker

MILLISECOND = timedelta(milliseconds=1)


class Retries(middleware.Retries):
    """Decides whether a failed attempt is retried, and when.

    Dramatiq's formats the traceback itself, which some exceptions do not survive, and looks `on_retry_exhausted` up.
    """

    on_event_loop = True

    def after_process_message(
        self, broker: "Broker", message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        if exception is None or is_settled(message):
            return
        actor = broker.get_actor(message.actor_name)
        throws = message.options.get("throws") or actor.options.get("throws")
        # One that was put off as often as it may be has failed, whatever it says of its own errors.
        is_too_late = is_a(exception, Snooze)
        is_thrown = is_a(exception, BadSnoozeError) or bool(
            throws and not is_too_late and isinstance(exception, throws)
        )
        if isinstance(message, ClaimedMessage):
            message.attempt.is_expected = is_thrown or is_a(exception, Retry)
        if is_thrown:
            message.fail()
            return
        retries = message.options.get("retries", 0)
        message.options["retries"] = retries + 1
        message.options["traceback"] = failure_of(message, exception).traceback
        message.options["requeue_timestamp"] = int(time.time() * 1000)
        max_retries = message.options.get("max_retries", actor.options.get("max_retries", self.max_retries))
        retry_when = actor.options.get("retry_when", self.retry_when)
        if is_too_late:
            is_retried = False
        elif retry_when is not None:
            is_retried = retry_when(retries, exception)
        else:
            is_retried = max_retries is None or retries < max_retries
        if is_retried:
            broker.enqueue(message, delay=self._delay_ms(actor, message, exception, retries))  # type: ignore[arg-type]
            return
        message.fail()
        if name := message.options.get("on_retry_exhausted") or actor.options.get("on_retry_exhausted"):
            follow(broker, message, name, {"retries": retries, "max_retries": max_retries})

    def _delay_ms(self, actor: "Actor[..., Any]", message: MessageProxy, exception: BaseException, retries: int) -> int:
        if isinstance(exception, Retry) and exception.delay is not None:
            # Of a task's own making: it may be no number. The usual wait is better than none.
            with suppress(TypeError, ValueError, OverflowError):
                delay: Any = exception.delay
                return int(delay / MILLISECOND if isinstance(delay, timedelta) else delay)
        shortest = message.options.get("min_backoff", actor.options.get("min_backoff", self.min_backoff))
        longest = message.options.get("max_backoff", actor.options.get("max_backoff", self.max_backoff))
        _, delay_ms = compute_backoff(retries, factor=shortest, max_backoff=min(longest, DEFAULT_MAX_BACKOFF))
        return delay_ms
