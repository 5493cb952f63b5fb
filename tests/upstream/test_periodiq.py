"""periodiq's own scheduler and middleware: a late message is skipped."""

from datetime import timedelta
from typing import Any

import pendulum
import pytest
from periodiq import PeriodiqMiddleware, Scheduler, cron

from apps.tasks.models import TaskStatus

pytestmark = pytest.mark.django_db(transaction=True)


def test_its_scheduler_sends_what_is_due_and_its_middleware_skips_what_is_late(install, declare, ended) -> None:
    install(PeriodiqMiddleware(skip_delay=30))

    def tick() -> str:
        return "ticked"

    actor = declare(tick, periodic=cron("* * * * *"), max_retries=0)
    now: Any = pendulum.now()
    Scheduler(actors=[actor]).send_actors([actor], now)
    row = TaskStatus.objects.get()
    assert ended(actor.message().copy(message_id=row.task_id)).result == "ticked"
    late = actor.message_with_options(scheduled_at=str(now - timedelta(minutes=5)))
    actor.broker.enqueue(late)
    assert ended(late).progress_text == "It was skipped."
