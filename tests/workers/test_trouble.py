"""Trouble with the database or Redis: work waits and continues by itself."""

import threading
import time

import pytest
from django.db import connection, connections, transaction

from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from workers.process import reconciler
from workers.wire.queue import WireQueue

pytestmark = [pytest.mark.django_db(transaction=True)]


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
                release.wait(20)
            connections.close_all()

        thread = threading.Thread(target=hold)
        threads.append(thread)
        thread.start()
        assert taken.wait(10)
        return release

    yield lock
    release.set()
    for thread in threads:
        thread.join()


def vendor_is_not_postgresql() -> bool:
    return connection.vendor != "postgresql"


def test_a_row_locked_by_an_open_request_does_not_delay_its_neighbours(working, locked, ended, wait_until) -> None:
    if vendor_is_not_postgresql():
        pytest.skip("SQLite has no row locks")
    slow = tasks.slow_effect.send("slow", 1.5)
    wait_until(lambda: TaskStatus.objects.filter(task_id=slow.message_id, started_at__isnull=False).exists())
    release = locked(slow.message_id)
    neighbours = [tasks.slow_effect.send(f"neighbour {number}", 1.6) for number in range(3)]
    assert [ended(message).status for message in neighbours] == ["completed"] * 3
    assert TaskStatus.objects.get(task_id=slow.message_id).status == "processing"
    release.set()
    assert ended(slow).status == "completed"


def test_a_database_that_turns_read_only_delays_tasks_and_loses_none(working, ended, wait_until) -> None:
    if vendor_is_not_postgresql():
        pytest.skip("SQLite has no read-only switch")
    slow = tasks.slow_effect.send("slow", 1.5)
    waiting = [tasks.effect.send_with_options(args=(str(number),), delay=1_500) for number in range(5)]
    wait_until(lambda: TaskStatus.objects.filter(task_id=slow.message_id, started_at__isnull=False).exists())
    switch("on")
    try:
        time.sleep(2.5)  # The task ends and others come due. Neither can be written.
        assert TaskStatus.objects.finished().count() == 0
    finally:
        switch("off")
    for message in [slow, *waiting]:
        assert ended(message, timeout=20).status == "completed"


def switch(state: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        cursor.execute("SELECT pg_reload_conf()")


def test_a_wiped_redis_delays_tasks_and_loses_none(working, broker, ended) -> None:
    messages = [tasks.effect.send(str(number)) for number in range(20)]
    broker.wire.workers.flushall()
    assert {ended(message, timeout=20).status for message in messages} == {"completed"}


def test_an_unreachable_redis_delays_tasks_and_loses_none(working, broker, ended, monkeypatch) -> None:
    here = broker.wire
    away = WireQueue("redis://127.0.0.1:1/0", namespace=here.namespace)
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.2)
    broker.wire = away
    try:
        messages = [tasks.effect.send(str(number)) for number in range(5)]
        time.sleep(1)
    finally:
        broker.wire = here
    assert {ended(message, timeout=20).status for message in messages} == {"completed"}
    away.close()


def test_a_claimed_task_that_is_cancelled_before_its_start_does_not_start(
    working, broker, ended, wait_until, monkeypatch
) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.1)
    monkeypatch.setattr(broker.runtime.holdings.prefetch, "threads", 8)
    monkeypatch.setattr("workers.process.holdings.AHEAD_SECONDS", 60)  # Otherwise it is released.
    busy = [tasks.slow_effect.send(f"busy {number}", 2.5) for number in range(4)]
    wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).count() == 4)
    held = tasks.slow_effect.send("held", 0)
    wait_until(lambda: TaskStatus.objects.filter(task_id=held.message_id, status="processing").exists())
    assert not ledger.cancel(held.message_id)
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
