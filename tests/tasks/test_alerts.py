"""Alerts: noticed, started and ended once, and told once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.tasks import health, own_queue, states
from apps.tasks.alerts import checking, conditions, delivery, facts, places, rules, sending
from apps.tasks.models import Alert, AlertRule, Limit, Schedule, ScheduleSlot, Tally, TaskAttempt, TaskStatus
from apps.tasks.models import alert as kinds
from apps.tasks.models.tally import HOUR, MINUTE
from tests import rows
from tests.at_once import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _without_servers(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Redis is looked at by tests of its own."""
    monkeypatch.setattr(health, "servers", {})
    monkeypatch.setattr(facts, "memory", {})
    settings.TASK_ALERT_EMAILS = ["ops@example.com"]


@pytest.fixture
def only() -> Callable[..., AlertRule]:
    """`only(kind, **values)` switches off all rules but one of this kind."""

    def choose(kind: str, **values: Any) -> AlertRule:
        rules.update()
        AlertRule.objects.exclude(kind=kind).update(enabled=False)
        AlertRule.objects.filter(kind=kind).update(**values)
        return AlertRule.objects.get(kind=kind)

    return choose


@pytest.fixture
def no_worker(only: Callable[..., AlertRule]) -> AlertRule:
    return only(kinds.NO_WORKER, hold_seconds=60, clear_seconds=30)


def later(seconds: float) -> None:
    """Let time pass for the open alerts."""
    for name in ("noticed_at", "cleared_at"):
        Alert.objects.open().update(**{name: F(name) - timedelta(seconds=seconds)})


def told() -> list[tuple[str, str]]:
    """Return the tasks that tell alerts: actor and event."""
    sent = TaskStatus.objects.filter(task_name__in=facts.TELLING).order_by("pk")
    return [(task.task_name.removeprefix("tasks."), task.args[1]) for task in sent]


def live() -> None:
    for kind in ("worker", "relay", "scheduler"):
        rows.worker_process(kind=kind, taken_at=timezone.now())


def fire(rule: AlertRule) -> Alert:
    """Let a rule that holds start its alert."""
    checking.check()
    later(rule.hold_seconds)
    checking.check()
    return Alert.objects.firing().get()


# --- Starts and ends ---


def test_an_alert_starts_once_its_condition_has_held_and_ends_once_all_is_well(no_worker: AlertRule) -> None:
    assert checking.check().started == []
    alert = Alert.objects.get()
    assert (alert.started_at, told()) == (None, [])
    later(61)
    assert checking.check().started == [alert.pk]
    assert checking.check().started == []
    assert told() == [("mail_alert", "started")]

    rows.worker_process()
    assert checking.check().ended == []
    later(29)
    assert checking.check().ended == []
    later(2)
    assert checking.check().ended == [alert.pk]
    assert checking.check().ended == []
    assert told() == [("mail_alert", "started"), ("mail_alert", "ended")]


def test_a_condition_that_does_not_last_leaves_nothing(no_worker: AlertRule) -> None:
    checking.check()
    rows.worker_process()
    checking.check()
    assert not Alert.objects.exists()


def test_a_condition_that_comes_and_goes_is_told_once(no_worker: AlertRule) -> None:
    alert = fire(no_worker)
    for _ in range(3):
        worker = rows.worker_process()
        checking.check()
        later(20)
        checking.check()
        worker.delete()
        checking.check()
    assert Alert.objects.get() == alert
    assert Alert.objects.get().cleared_at is None
    assert told() == [("mail_alert", "started")]


def test_time_in_which_no_relay_looked_does_not_count(no_worker: AlertRule) -> None:
    checking.check()
    later(3600)
    Alert.objects.update(checked_at=timezone.now() - timedelta(hours=1))
    assert checking.check().started == []
    later(61)
    assert len(checking.check().started) == 1


def test_the_worst_value_is_kept(only: Callable[..., AlertRule]) -> None:
    rule = only(kinds.OLDEST_DUE, threshold=60)
    live()
    task = rows.task(run_at=timezone.now() - timedelta(seconds=100))
    fire(rule)
    for minutes in (30, 5):
        TaskStatus.objects.filter(pk=task.pk).update(run_at=timezone.now() - timedelta(minutes=minutes))
        checking.check()
    alert = Alert.objects.get()
    assert 100 <= alert.value < 200
    assert 1800 <= alert.worst < 1900


def test_an_alert_of_a_rule_that_is_off_or_gone_ends_and_nobody_is_told(no_worker: AlertRule) -> None:
    fire(no_worker)
    AlertRule.objects.filter(pk=no_worker.pk).update(enabled=False)
    checking.check()
    AlertRule.objects.filter(pk=no_worker.pk).update(enabled=True)
    fire(no_worker)
    AlertRule.objects.filter(pk=no_worker.pk).delete()
    checking.check()
    assert not Alert.objects.open().exists()
    assert Alert.objects.count() == 2
    assert told() == [("mail_alert", "started")] * 2


@pytest.mark.django_db(transaction=True)
def test_many_relays_start_and_end_an_alert_once(no_worker: AlertRule) -> None:
    for _ in range(3):
        at_once(lambda _number: checking.check(), times=4)
    later(61)
    started = [news.started for news in at_once(lambda _number: checking.check(), times=4)]
    assert sum(map(len, started)) == 1
    rows.worker_process()
    checking.check()
    later(31)
    ended = [news.ended for news in at_once(lambda _number: checking.check(), times=4)]
    assert sum(map(len, ended)) == 1
    assert Alert.objects.count() == 1
    assert told() == [("mail_alert", "started"), ("mail_alert", "ended")]


def test_the_news_is_recorded_with_the_start_or_not_at_all(no_worker: AlertRule, monkeypatch) -> None:
    checking.check()
    later(61)

    def refuse(*args: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(own_queue, "send", refuse)
    with pytest.raises(RuntimeError):
        checking.check()
    assert Alert.objects.get().started_at is None
    monkeypatch.undo()


# --- Rules ---


def test_the_declared_rules_are_there_from_the_first_start() -> None:
    rules.update()
    assert set(AlertRule.objects.values_list("kind", flat=True)) == set(kinds.KINDS) == set(conditions.FINDERS)
    assert all(rule.enabled and rule.is_declared for rule in AlertRule.objects.all())


def test_a_change_of_staff_survives_an_upgrade_and_the_rest_follows_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    rules.update()
    AlertRule.objects.filter(kind=kinds.FAILURES).update(threshold=50, is_changed=True)
    AlertRule.objects.filter(kind=kinds.NO_WORKER).update(enabled=False, mail_to="jane@example.com")
    for kind in (kinds.FAILURES, kinds.NO_WORKER):
        monkeypatch.setitem(rules.DECLARED, kind, rules.DECLARED[kind] | {"hold_seconds": 7})
    rules.update()
    changed, other = (AlertRule.objects.get(kind=kind) for kind in (kinds.FAILURES, kinds.NO_WORKER))
    assert (changed.threshold, changed.hold_seconds) == (50, 60)
    assert (other.hold_seconds, other.enabled, other.mail_to) == (7, False, "jane@example.com")


def test_a_rule_for_one_queue_takes_it_from_the_rule_for_all(only: Callable[..., AlertRule]) -> None:
    only(kinds.OLDEST_DUE, threshold=60)
    live()
    for queue in ("default", "documents"):
        rows.task(queue_name=queue, run_at=timezone.now() - timedelta(seconds=100))
    own = AlertRule.objects.create(name="Documents", kind=kinds.OLDEST_DUE, scope="documents", threshold=1000)
    checking.check()
    assert [alert.scope for alert in Alert.objects.all()] == ["default"]
    AlertRule.objects.filter(pk=own.pk).update(threshold=90)
    checking.check()
    assert {(alert.rule.name, alert.scope) for alert in Alert.objects.all() if alert.rule} == {
        ("Long wait", "default"), ("Documents", "documents"),
    }  # fmt: skip


# --- Conditions ---


def tally(name: str, *, span: int = MINUTE, **counts: Any) -> None:
    start = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=span)
    Tally.objects.create(span=span, start=start, task_name=name, queue_name="default", **counts)


def found(kind: str, **values: Any) -> list[conditions.Condition]:
    """Return the conditions of a declared rule with some values of its own."""
    rule = next(rule for rule in rules.declared() if rule.kind == kind)
    for name, value in values.items():
        setattr(rule, name, value)
    return conditions.of(facts.Facts(), rule)


def test_failures_are_told_above_a_part_of_enough_runs() -> None:
    tally("acting.many", completed=60, failed=10, retried=30)
    tally("acting.few", failed=5)
    tally("acting.well", completed=99, failed=1)
    tally("tasks.mail_alert", failed=90)
    [one] = found(kinds.FAILURES)
    assert (one.scope, one.value) == ("acting.many", 40)
    assert one.text == "40 of 100 runs of acting.many failed in 10 min (40 %)."


def test_poison_is_told_by_actor() -> None:
    for number in range(3):
        task = rows.task("acting.deadly", status="failed", finished_at=timezone.now())
        outcome = states.POISON.name if number else states.RESCUE.name
        TaskAttempt.objects.create(task=task, attempt=0, outcome=outcome, ended_at=timezone.now())
    [one] = found(kinds.POISON)
    assert (one.scope, one.value) == ("acting.deadly", 2)


def test_a_task_that_runs_for_longer_than_usual_is_told_once_an_actor() -> None:
    buckets = [0] * 16
    buckets[8] = 100  # 5 to 10 seconds.
    tally("acting.slow", span=HOUR, runs=buckets, run_ms=750_000)
    for minutes in (2, 9):
        rows.task("acting.slow", status="processing", started_at=timezone.now() - timedelta(minutes=minutes))
    rows.task("acting.unknown", status="processing", started_at=timezone.now() - timedelta(hours=5))
    [one] = found(kinds.SLOW_TASK)
    assert one.scope == "acting.slow"
    assert 50 < one.value < 60


def test_a_queue_that_is_nearly_full_is_told(settings: Any) -> None:
    settings.TASK_QUEUES = {"default": {}, "documents": {"max_waiting": 10}}
    for _ in range(9):
        rows.task(queue_name="documents")
    [one] = found(kinds.QUEUE_FULL)
    assert (one.scope, one.value) == ("documents", 90)
    assert found(kinds.QUEUE_FULL, threshold=91) == []


def test_a_limit_that_is_full_for_long_is_told() -> None:
    Limit.objects.create(task_name="acting.mail", concurrency=2)
    rows.task("acting.mail", line="", in_line=True, run_at=timezone.now() - timedelta(minutes=20))
    [one] = found(kinds.LIMIT_FULL)
    assert one.text.startswith("A task of acting.mail has waited for a place of its limit for 20 min")


def test_slots_that_were_missed_lately_are_told() -> None:
    now = timezone.now()
    schedule = Schedule.objects.create(
        name="weekly", task_name="aiwriting.debug_task", cron="0 8 * * *", anchor_at=now, decided_until=now
    )
    ScheduleSlot.objects.create(schedule=schedule, slot=now, first_slot=now, count=3, outcome=ScheduleSlot.MISSED)
    [one] = found(kinds.MISSED_SLOT)
    assert (one.scope, one.value) == ("weekly", 3)


def test_a_full_disk_and_full_memory_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "memory", {"Redis": lambda: 95.5, "Other": lambda: None})
    monkeypatch.setattr(facts.Facts, "disks", {"/srv": 91.0, "/tmp": 10.0})
    assert [one.text for one in found(kinds.MEMORY_FULL)] == ["The memory of Redis is 95 % full."]
    assert [one.scope for one in found(kinds.DISK_FULL)] == ["/srv"]


def test_a_broken_schedule_is_told_without_the_names_of_all_actors() -> None:
    now = timezone.now()
    Schedule.objects.create(name="gone", task_name="acting.gone", cron="0 8 * * *", anchor_at=now, decided_until=now)
    [one] = found(kinds.SCHEDULE_BROKEN)
    assert one.remedy.startswith("Unknown actor 'acting.gone', must be one of: ")
    assert len(one.remedy) == conditions.REMEDY_LENGTH


@pytest.mark.parametrize(("value", "words"), [(60.0, "60 times"), (2.5, "2.5 times")])
def test_a_multiple_has_a_fraction_only_if_it_needs_one(value: float, words: str) -> None:
    assert conditions.value_in_words(kinds.TIMES, value) == words


def test_a_storm_is_told_by_its_worst_parts() -> None:
    for number in range(30):
        tally(f"acting.actor{number}", failed=20 + number, completed=10)
    assert len(found(kinds.FAILURES)) == conditions.MOST
    assert found(kinds.FAILURES)[0].scope == "acting.actor29"


def test_a_look_takes_as_many_statements_for_many_rows_as_for_few() -> None:
    rules.update()
    live()

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            checking.check()
        return len(queries)

    checking.check()
    few = statements()
    for number in range(8):
        rows.task()
        rows.task(status="failed", finished_at=timezone.now())
        tally(f"acting.actor{number}", completed=10)
    assert statements() <= few <= 22


# --- Silence ---


def test_a_silenced_alert_and_the_next_one_of_its_kind_are_not_told(no_worker: AlertRule) -> None:
    alert = fire(no_worker)
    Alert.objects.filter(pk=alert.pk).update(silenced_until=timezone.now() + timedelta(hours=1), silence_reason="Known")
    worker = rows.worker_process()
    checking.check()
    later(31)
    assert checking.check().ended == [alert.pk]
    worker.delete()
    again = fire(no_worker)
    assert again.silence_reason == "Known"
    assert told() == [("mail_alert", "started")]


# --- Telling ---


def test_a_pause_of_the_usual_queue_holds_no_news_back(no_worker: AlertRule) -> None:
    rows.pause("queue", "default")
    assert not checking.check().can_be_told
    rows.worker_process(queues=["mail"])
    assert checking.check().can_be_told
    sending.send(Alert.objects.create(rule=no_worker, kind=no_worker.kind, noticed_at=timezone.now(),
                                      checked_at=timezone.now()), "started")  # fmt: skip
    assert TaskStatus.objects.get(task_name="tasks.mail_alert").queue_name == "mail"


def test_a_start_and_an_end_are_mailed_once_each(no_worker: AlertRule, settings: Any) -> None:
    settings.TASK_ALERT_ORIGIN = "https://example.com"
    alert = fire(no_worker)
    assert delivery.mail(alert.pk, "started") == "Told."
    assert delivery.mail(alert.pk, "started") == "It was told already."
    rows.worker_process()
    checking.check()
    later(31)
    checking.check()
    assert delivery.mail(alert.pk, "ended") == "Told."
    start, end = mail.outbox
    assert (start.to, start.subject) == (
        ["ops@example.com"], "[aiWriting] Alert: No worker and no relay live: tasks wait.",
    )  # fmt: skip
    assert "Start manage.py runworker." in start.body
    assert f"https://example.com/admin/tasks/alert/{alert.pk}/change/" in start.body
    assert "docs/runbooks.md#tasks-wait-and-no-worker-runs" in start.body
    assert end.subject == "[aiWriting] Ended: No worker and no relay live: tasks wait."
    assert "It ended after" in end.body


def test_old_news_is_left_out(no_worker: AlertRule) -> None:
    alert = fire(no_worker)
    Alert.objects.update(ended_at=timezone.now())
    assert delivery.mail(alert.pk, "started") == "It has ended before it could be told."
    assert delivery.mail(alert.pk, "ended") == "Its start was not told."
    assert delivery.mail(alert.pk + 1, "started") == f"The alert {alert.pk + 1} is gone."
    assert mail.outbox == []


def test_each_kind_has_a_runbook() -> None:
    assert set(places.RUNBOOKS) == set(kinds.KINDS)


# --- Old alerts ---


def test_alerts_that_ended_long_ago_are_deleted(no_worker: AlertRule, settings: Any) -> None:
    alert = fire(no_worker)
    Alert.objects.update(noticed_at=timezone.now() - timedelta(days=400))
    assert checking.forget() == 0
    Alert.objects.update(ended_at=timezone.now() - timedelta(days=91))
    settings.TASK_KEEP_ALERTS_DAYS = 0
    assert checking.forget() == 0
    settings.TASK_KEEP_ALERTS_DAYS = 90
    assert checking.forget() == 1
    assert not Alert.objects.filter(pk=alert.pk).exists()
