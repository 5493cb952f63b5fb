"""The times for which ended tasks are kept."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dramatiq import Actor

from apps.tasks import states
from apps.tasks.conf import conf
from apps.tasks.ledger import Kept


def kept(actors: Mapping[str, Actor[..., Any]]) -> Kept:
    """Return the times that the settings and the actors say."""

    def by_actor(option: str) -> dict[str, timedelta | None]:
        return {name: actor.options[option] for name, actor in actors.items() if option in actor.options}

    return Kept(
        by_state={
            states.COMPLETED: _days(conf.TASK_KEEP_COMPLETED_DAYS),
            states.CANCELLED: _days(conf.TASK_KEEP_CANCELLED_DAYS),
            states.FAILED: _days(conf.TASK_KEEP_FAILED_DAYS),
        },
        by_actor=by_actor("keep"),
        results=_days(conf.TASK_RESULT_EXPIRES_DAYS),
        results_by_actor=by_actor("keep_result"),
    )


def _days(number: int) -> timedelta | None:
    return timedelta(days=number) if number else None
