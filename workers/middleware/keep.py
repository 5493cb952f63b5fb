"""`keep=` and `keep_result=`: the time for which the ended tasks of an actor are kept, and their results."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dramatiq import Actor, Middleware
from dramatiq.middleware import MiddlewareError

from apps.tasks.conf import MOST_DAYS
from apps.tasks.errors import TaskError

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

OPTIONS = ("keep", "keep_result")
LONGEST = timedelta(days=MOST_DAYS)


class BadKeepError(TaskError, MiddlewareError, ValueError):
    """documents.read has keep=7, must be a timedelta from 0 to 3,650 days, or None for ever"""


class Keep(Middleware):
    """Declares the options and checks them. The relay deletes."""

    @property
    def actor_options(self) -> set[str]:
        """keep: Time for which ended tasks are kept. keep_result: Time for which their results are. None: for ever."""
        return set(OPTIONS)

    @property
    def message_options(self) -> set[str]:
        """None. The relay knows actors, not messages that have ended."""
        return set()

    def before_declare_actor(self, broker: "LedgerBroker", actor: Actor[..., Any]) -> None:  # type: ignore[override]
        for name in OPTIONS:
            value = actor.options.get(name)
            if value is not None and not (isinstance(value, timedelta) and timedelta(0) <= value <= LONGEST):
                raise BadKeepError(
                    f"{actor.actor_name} has {name}={value!r:.80}, must be a timedelta from 0 to {LONGEST.days:,} "
                    "days, or None for ever"
                )
