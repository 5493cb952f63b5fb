"""Trouble with the database or Redis: work waits and continues by itself."""

import threading

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from apps.tasks.values import Outcome, Settled
from tests.acting import tasks
from tests.waiting import PATIENCE_SECONDS
from workers.process import reconciler
from workers.wire.queue import WireQueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.fixture
def locked():
    """Lock a row in a transaction of another connection, until the returned event is set."""
    release, taken = threading.Event(), threading.Event()
    threads = []

    def lock(task_id: str) -> threading.Event:
        def hold() -> None:
            with transaction.atomic():
                TaskStatus.objects.select_for_update().get(task_id=task_id)
                taken.set()
                release.wait(PATIENCE_SECONDS)
            connections.close_all()

        thread = threading.Thread(target=hold)
        threads.append(thread)
        thread.start()
        assert taken.wait(PATIENCE_SECONDS)
        return release

    yield lock
    release.set()
    for thread in threads:
        thread.join()


def vendor_is_not_postgresql() -> bool:
    return connection.vendor != "postgresql"


def test_a_row_locked_by_an_open_request_does_not_delay_its_neighbours(
    working, locked, ended, gate, wait_until, monkeypatch
) -> None:
    if vendor_is_not_postgresql():
        pytest.skip("SQLite has no row locks")
    slow = gate.send("slow")
    wait_until(lambda: TaskStatus.objects.filter(task_id=slow.message_id, started_at__isnull=False).exists())
    release = locked(slow.message_id)
    finish = ledger.finish
    tried: list[str] = []

    def note(outcomes: list[Outcome]) -> list[Settled]:
        tried.extend(outcome.claim.task_id for outcome in outcomes)
        return finish(outcomes)

    monkeypatch.setattr(ledger, "finish", note)
    gate.open()
    wait_until(lambda: slow.message_id in tried)
    neighbours = [tasks.slow_effect.send(f"neighbour {number}", 0.1) for number in range(3)]
    assert [ended(message).status for message in neighbours] == ["completed"] * 3
    assert TaskStatus.objects.get(task_id=slow.message_id).status == "processing"
    release.set()
    assert ended(slow).status == "completed"


def test_a_database_that_turns_read_only_delays_tasks_and_loses_none(working, ended, gate, wait_until, caplog) -> None:
    if vendor_is_not_postgresql():
        pytest.skip("SQLite has no read-only switch")
    slow = gate.send("slow")
    wait_until(lambda: TaskStatus.objects.filter(task_id=slow.message_id, started_at__isnull=False).exists())
    waiting = [tasks.effect.send_with_options(args=(str(number),), delay=1_000) for number in range(5)]
    due = max(TaskStatus.objects.values_list("run_at", flat=True))
    switch("on")
    try:
        wait_until(lambda: "database does not answer error=" in caplog.text, explain=lambda: caplog.text)
        came_due_later = TaskStatus.objects.filter(run_at__gt=timezone.now())
        gate.open()  # The task ends and others come due. Neither can be written.
        wait_until(lambda: "outcomes wait, database does not answer" in caplog.text and timezone.now() > due)
        assert not TaskStatus.objects.finished().filter(task_id=slow.message_id).exists()
        assert not TaskStatus.objects.finished().filter(pk__in=came_due_later).exists()
    finally:
        switch("off")
    for message in [slow, *waiting]:
        assert ended(message).status == "completed"


def switch(state: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        cursor.execute("SELECT pg_reload_conf()")


def test_a_wiped_redis_delays_tasks_and_loses_none(working, broker, ended) -> None:
    messages = [tasks.effect.send(str(number)) for number in range(20)]
    broker.wire.workers.flushall()
    assert {ended(message).status for message in messages} == {"completed"}


def test_an_unreachable_redis_delays_tasks_and_loses_none(
    working, broker, ended, wait_until, monkeypatch, caplog
) -> None:
    here = broker.wire
    away = WireQueue("redis://127.0.0.1:1/0", namespace=here.namespace)
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.2)
    broker.wire = away
    try:
        messages = [tasks.effect.send(str(number)) for number in range(5)]
        wait_until(lambda: "redis does not answer" in caplog.text)
    finally:
        broker.wire = here
    assert {ended(message).status for message in messages} == {"completed"}
    away.close()


def test_a_claimed_task_that_is_cancelled_before_its_start_does_not_start(
    working, broker, ended, gate, wait_until, monkeypatch
) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.1)
    monkeypatch.setattr(broker.runtime.holdings.prefetch, "threads", 8)
    monkeypatch.setattr("workers.process.holdings.AHEAD_SECONDS", 600)  # Otherwise it is released.
    busy = [gate.send(f"busy {number}") for number in range(4)]
    wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).count() == 4)
    held = tasks.slow_effect.send("held", 0)
    wait_until(lambda: TaskStatus.objects.filter(task_id=held.message_id, status="processing").exists())
    assert not ledger.cancel(held.message_id)
    wait_until(lambda: any(attempt.cancellation.is_requested for attempt in broker.runtime.holdings.held.values()))
    gate.open()
    row = ended(held)
    assert (row.status, row.started_at) == ("cancelled", None)
    assert {ended(message).status for message in busy} == {"completed"}


def test_a_nul_in_the_progress_text_does_no_harm(working, ended) -> None:
    row = ended(tasks.say_where.send("cha\x00pter".replace("\x00", "\\0")))
    assert (row.status, row.progress_text) == ("completed", "cha\ufffdpter")


def test_an_expired_task_fails_although_no_worker_fetches_it(broker, wait_until) -> None:
    message = tasks.effect.send_with_options(args=("n",), delay=1, max_age=1)
    wait_until(lambda: ledger.expire_waiting() == 1)
    assert TaskStatus.objects.get(task_id=message.message_id).status == "failed"
