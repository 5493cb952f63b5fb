"""Alerts in a relay: it looks by itself, a worker tells, and the relay tells while no worker can."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from dramatiq import Worker

from apps.tasks.alerts import checking, facts, rules
from apps.tasks.models import Alert, AlertRule, TaskStatus
from apps.tasks.models import alert as kinds
from tests import rows
from workers import alerts
from workers.alerts import AlertWatch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_rule(transactional_db: None, settings: Any) -> None:
    """No rule is on. Each test switches its own on."""
    settings.TASK_ALERT_EMAILS = ["ops@example.com"]
    rules.update()
    AlertRule.objects.update(enabled=False, is_changed=True)


def hold(kind: str) -> None:
    AlertRule.objects.filter(kind=kind).update(enabled=True, hold_seconds=0, clear_seconds=0)


def mails() -> list[str]:
    return [message.subject.removeprefix("[aiWriting] ").partition(":")[0] for message in mail.outbox]


def test_a_relay_notices_and_a_worker_tells(
    working: Worker, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    monkeypatch.setattr(checking, "LOOK_SECONDS", 0.1)
    # The threads of the test are no rows of processes.
    rows.worker_process(taken_at=timezone.now() + timedelta(hours=1), beat_at=timezone.now() + timedelta(hours=1))
    monkeypatch.setattr(facts.Facts, "servers_away", {})
    monkeypatch.setattr(facts.Facts, "memory", {"Redis": 99.0})
    hold(kinds.MEMORY_FULL)
    wait_until(lambda: mails() == ["Alert"])
    monkeypatch.setattr(facts.Facts, "memory", {})
    wait_until(lambda: mails() == ["Alert", "Ended"])
    assert Alert.objects.get().mailed_at is not None
    told = TaskStatus.objects.filter(task_name="tasks.mail_alert")
    wait_until(lambda: [task.status for task in told.all()] == ["completed"] * 2)
    assert {task.related_object_id for task in told} == {Alert.objects.get().pk}


def test_the_relay_tells_itself_while_no_worker_can_and_the_task_leaves_it_at_that(
    broker, wait_until: Callable[..., Any]
) -> None:
    from apps.tasks import tasks

    hold(kinds.NO_WORKER)
    assert len(AlertWatch().look().started) == 1
    wait_until(lambda: mails() == ["Alert"])
    wait_until(lambda: Alert.objects.get().mailed_at is not None)
    recorded = TaskStatus.objects.get(task_name="tasks.mail_alert")
    assert tasks.mail_alert.fn(*recorded.args) == {"note": "It was told already."}
    assert mails() == ["Alert"]


def test_a_mail_that_fails_is_left_to_its_task(
    broker, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*args: Any) -> bool:
        raise ConnectionRefusedError("no mail\nserver")

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    hold(kinds.NO_WORKER)
    AlertWatch().look()
    wait_until(lambda: "alert not told by the relay" in caplog.text)
    assert Alert.objects.get().mailed_at is None
    assert TaskStatus.objects.get(task_name="tasks.mail_alert").status == "pending"


def test_failures_of_its_own_tasks_start_no_alert(broker) -> None:
    hold(kinds.FAILURES)
    hold(kinds.POISON)
    rows.task("tasks.mail_alert", status="failed", finished_at=timezone.now())
    assert AlertWatch().look().started == []


def test_the_rules_are_there_after_the_first_look_of_a_relay(broker) -> None:
    AlertRule.objects.all().delete()
    AlertWatch().look()
    assert AlertRule.objects.count() == len(kinds.KINDS)


def test_the_memory_of_redis_is_known_if_it_has_a_limit(broker, redis_client) -> None:
    assert alerts.redis_memory() is None
    redis_client.config_set("maxmemory", "100mb")
    try:
        found = alerts.redis_memory()
    finally:
        redis_client.config_set("maxmemory", "0")
    assert found is not None
    assert 0 < found < 100
