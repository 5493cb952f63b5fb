"""Lets actors be declared with Periodiq's `periodic=cron(...)`; `manage.py runscheduler` fires them."""

import json
from typing import Any

from dramatiq import Actor, Broker, Middleware
from dramatiq.middleware import MiddlewareError
from periodiq import CronSpec

from apps.tasks.errors import TaskError


class BadScheduleError(TaskError, MiddlewareError, TypeError):
    """The actor's schedule cannot be stored as a row."""


class Periodic(Middleware):
    """Declares the options of periodic actors.

    Periodiq's own middleware is not used: it drops a message that waited over 30 s in a busy queue.
    """

    @property
    def actor_options(self) -> set[str]:
        """Options that an actor may be declared with.

        periodic: Cron time in UTC, such as `periodiq.cron("0 3 * * *")`.
        periodic_kwargs: Arguments of the scheduled call, by name.
        """
        return {"periodic", "periodic_kwargs"}

    @property
    def message_options(self) -> set[str]:
        """None. A message is sent once."""
        return set()

    def before_declare_actor(self, broker: Broker, actor: Actor[..., Any]) -> None:
        """Refuse a bad schedule, which would keep the others from being read.

        Raises:
          BadScheduleError: `periodic` is no cron time, or JSON cannot carry `periodic_kwargs`.
        """
        spec, kwargs = actor.options.get("periodic"), actor.options.get("periodic_kwargs")
        if spec is not None and not isinstance(spec, CronSpec):
            raise BadScheduleError(
                f"{actor.actor_name} has periodic={spec!r}, must be a time such as periodiq.cron('0 3 * * *')"
            )
        if kwargs is not None and not _is_json_object(kwargs):
            raise BadScheduleError(
                f"{actor.actor_name} has periodic_kwargs={kwargs!r}, must be a dict of JSON values by their names"
            )


def _is_json_object(value: Any) -> bool:
    try:
        return isinstance(value, dict) and bool(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return False
