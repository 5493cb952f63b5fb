"""dramatiq-crontab: its actor is none of this project's, and its job is a send."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import AppConfig

from apps.tasks.models import TaskStatus
from workers import checks


@pytest.fixture
def heartbeat(broker) -> Iterator[Any]:
    import dramatiq_crontab
    from dramatiq_crontab.tasks import heartbeat

    broker.actors.setdefault(heartbeat.actor_name, heartbeat)
    yield heartbeat
    del broker.actors[heartbeat.actor_name]
    assert dramatiq_crontab.scheduler.get_jobs()


@pytest.mark.once
@pytest.mark.django_db
def test_its_actor_stops_no_migrate(heartbeat, monkeypatch) -> None:
    import dramatiq_crontab

    app_of = checks.app_of
    config = AppConfig("dramatiq_crontab", dramatiq_crontab)
    monkeypatch.setattr(checks, "app_of", lambda actor: config if actor is heartbeat else app_of(actor))
    assert checks.check_names() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("working")
def test_its_job_sends_a_task(heartbeat, wait_until) -> None:
    import dramatiq_crontab

    (job,) = dramatiq_crontab.scheduler.get_jobs()
    job.func()
    wait_until(lambda: TaskStatus.objects.filter(task_name="heartbeat", status="completed").exists())
