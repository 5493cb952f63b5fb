"""Tasks that outlived their time limit."""

import time
import uuid
from datetime import timedelta
from typing import Any

import dramatiq
import pytest

from apps.tasks.values import Claim
from workers.process.attempt import Attempt
from workers.process.time_limits import is_overdue


def work() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("options", "overdue"),
    [
        ({}, True),
        ({"isolate": True}, True),
        ({"hard_time_limit": 100_000}, True),
        ({"hard_time_limit": 150_000}, False),
        ({"hard_time_limit": timedelta(hours=1)}, False),
        ({"time_limit": 150_000}, False),
    ],
)
def test_a_task_may_clean_up_until_its_hard_time_limit(declare: Any, options: dict[str, Any], *, overdue: bool) -> None:
    actor = declare(work, **{"time_limit": 60_000, **options})
    message: dramatiq.Message[Any] = dramatiq.Message("q", actor.actor_name, (), {}, {})
    attempt = Attempt(message, Claim("id", 1, 0, uuid.uuid4(), uuid.uuid4()))
    attempt.started = time.monotonic() - 140
    assert is_overdue(attempt, actor.broker.actors) is overdue
