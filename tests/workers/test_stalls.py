"""Workers that live and take nothing, as /readyz and the relay know them."""

import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.tasks import health as ledger_health
from apps.tasks import stalls
from apps.tasks.models import TaskStatus, WorkerProcess
from tests import rows
from tests.waiting import wait_until
from workers import health
from workers.process import vitals
from workers.process.vitals import VitalSigns
from workers.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)

LONG = timedelta(minutes=5)
#: A time that does not pass while the tests run.
LATER = timezone.now() + timedelta(days=1)


def worker(**values: Any) -> WorkerProcess:
    """Make a worker that has been idle for minutes and beats."""
    now = timezone.now()
    return rows.worker_process(**{"beat_at": now + LONG, "started_at": now - LONG, "taken_at": now - LONG, **values})


def due(**values: Any) -> TaskStatus:
    """Make a task that has waited for minutes."""
    return rows.task(**{"status": "pending", "run_at": timezone.now() - LONG, **values})


def found(untaken: dict[str, float]) -> list[str]:
    workers = WorkerProcess.objects.workers().beating().with_idle_time()
    return [one.hostname for one in stalls.stalled(workers, untaken, known={"default", "documents"})]


@pytest.mark.parametrize(
    ("values", "untaken", "is_stalled"),
    [
        ({}, {"default": 61.0}, True),
        ({}, {"default": 59.0}, False),
        ({}, {}, False),
        ({"queues": ["documents"]}, {"default": 61.0}, False),
        ({"queues": ["documents"]}, {"documents": 61.0}, True),
        ({"taken_at": None}, {"default": 61.0}, True),
        ({"taken_at": LATER}, {"default": 61.0}, False),
        ({"taken_at": None, "started_at": LATER}, {"default": 61.0}, False),
        ({"trouble": "writer", "taken_at": LATER}, {}, True),
    ],
)
def test_a_worker_is_stalled_if_it_takes_none_of_the_tasks_that_are_due_on_its_queues(
    values: dict[str, Any], untaken: dict[str, float], is_stalled: bool
) -> None:
    worker(**values)
    assert found(untaken) == (["web-1"] if is_stalled else [])


def test_a_silent_worker_is_not_called_stalled() -> None:
    """It is absent, which has words of its own."""
    worker(beat_at=timezone.now() - LONG)
    assert found({"default": 61.0}) == []


# --- /readyz ---


def degraded(client: Client) -> list[str]:
    words: list[str] = client.get("/readyz").json()["degraded"]
    return words


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look anew at every request."""
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(health, "LEDGER", health.Probe(ledger_health.look))
    monkeypatch.setattr(health, "REDIS", health.Probe(health.write_to_redis))


@pytest.mark.usefixtures("broker", "fresh")
def test_readyz_says_that_workers_live_and_take_nothing(client: Client) -> None:
    for kind in ("relay", "scheduler"):
        rows.worker_process(kind=kind, beat_at=timezone.now() + LONG)
    row = worker()
    assert degraded(client) == []
    task = due()
    assert degraded(client) == ["stalled"]
    # A task that waits for its limit, or for a relay, is not for a worker to take.
    for change in ({"in_line": True}, {"in_line": False, "delayed": True}):
        TaskStatus.objects.filter(pk=task.pk).update(**change)
        assert degraded(client) == []
    TaskStatus.objects.update(delayed=False)
    WorkerProcess.objects.filter(pk=row.pk).update(taken_at=timezone.now() + LONG)
    assert degraded(client) == []


@pytest.mark.usefixtures("broker", "fresh")
def test_tasks_of_a_paused_queue_are_no_stall(client: Client, caplog: pytest.LogCaptureFixture, broker: Any) -> None:
    for kind in ("relay", "scheduler"):
        rows.worker_process(kind=kind, beat_at=timezone.now() + LONG)
    worker()
    due(queue_name="documents")
    rows.pause("queue", "documents")
    assert degraded(client) == []
    Relay(broker).tell_stalls()
    assert "takes nothing" not in caplog.text
    due()
    assert degraded(client) == ["stalled"]


# --- The relay ---


def test_a_relay_logs_a_stalled_worker_once_and_when_it_works_again(
    broker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    relay, row = Relay(broker), worker()
    due()
    with caplog.at_level(logging.INFO, logger="workers.relay"):
        relay.tell_stalls()
        relay.tell_stalls()
        assert caplog.text.count("worker lives and takes nothing") == 1
        assert str(row.pk) in caplog.text
        WorkerProcess.objects.update(taken_at=timezone.now() + LONG)
        relay.tell_stalls()
    assert "worker takes tasks again" in caplog.text


def test_a_relay_reads_no_due_rows_while_every_worker_works(broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    worker(taken_at=timezone.now() + LONG)
    monkeypatch.setattr("apps.tasks.health.oldest_due", lambda: pytest.fail("they were read"))
    Relay(broker).tell_stalls()


# --- The vitals of a worker ---


@pytest.mark.redis
def test_a_heartbeat_writes_the_load_of_the_process(working: Any, broker: Any, gate: Any) -> None:
    runtime = broker.runtime
    done = runtime.holdings.done
    gate.send("one")
    wait_until(lambda: len(runtime.holdings.running()) == 1)
    assert runtime.heartbeat.beat()
    row = WorkerProcess.objects.get(pk=runtime.worker_id)
    assert (row.busy_threads, row.tasks_done, row.trouble) == (1, done, "")
    assert 10 < row.memory_mb < 10_000
    assert row.taken_at is not None
    assert timezone.now() - row.taken_at < LONG
    gate.open()
    wait_until(lambda: runtime.holdings.done == done + 1)
    assert runtime.heartbeat.beat()
    row.refresh_from_db()
    assert (row.busy_threads, row.tasks_done) == (0, done + 1)


@pytest.mark.redis
def test_a_process_without_a_free_thread_is_excused_unless_all_its_tasks_hang(
    working: Any, broker: Any, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = broker.runtime
    signs: VitalSigns = runtime.vital_signs
    for number in range(runtime.holdings.threads):
        gate.send(f"{number}")
    wait_until(lambda: len(runtime.holdings.running()) == runtime.holdings.threads)
    runtime.holdings.taken_at -= 600
    assert (signs.read().untaken_ms or 0) < 60_000
    monkeypatch.setattr(vitals, "is_overdue", lambda attempt, actors: True)
    signs.full_at -= 600
    assert (signs.read().untaken_ms or 0) >= 600_000


@pytest.mark.redis
def test_a_process_has_its_whole_time_to_take_a_task_after_it_had_no_thread_free(
    working: Any, broker: Any, gate: Any
) -> None:
    runtime = broker.runtime
    signs: VitalSigns = runtime.vital_signs
    for number in range(runtime.holdings.threads):
        gate.send(f"{number}")
    wait_until(lambda: len(runtime.holdings.running()) == runtime.holdings.threads)
    runtime.holdings.taken_at -= 600
    signs.read()
    gate.open()
    wait_until(lambda: not runtime.holdings.running())
    assert (signs.read().untaken_ms or 0) < 60_000


@pytest.mark.redis
def test_a_process_that_stops_or_is_to_be_replaced_is_not_blamed_for_what_it_does_not_take(
    working: Any, broker: Any, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = broker.runtime
    signs: VitalSigns = runtime.vital_signs
    gate.send("n")
    wait_until(runtime.holdings.running)
    runtime.holdings.taken_at -= 600
    signs.excused_at -= 1000
    assert (signs.read().untaken_ms or 0) >= 600_000
    with monkeypatch.context() as patch:
        patch.setattr(runtime.recycling, "max_tasks", 1)
        patch.setattr(runtime.holdings, "done", 1)
        assert (signs.read().untaken_ms or 0) < 60_000
    signs.full_at -= 600
    runtime.stopping.set()
    for thread in working.consumers.values():
        thread.consumer.well_at -= 1000
    read = signs.read()
    assert (read.trouble, (read.untaken_ms or 0) < 60_000) == ("", True)


@pytest.mark.redis
def test_a_process_says_that_its_writer_or_a_claim_is_stuck(working: Any, broker: Any) -> None:
    signs: VitalSigns = broker.runtime.vital_signs
    signs.excused_at -= 1000
    assert signs.read().trouble == ""
    broker.runtime.writer.well_at -= 1000
    assert signs.read().trouble == "writer"
    wait_until(lambda: signs.read().trouble == "")


@pytest.mark.redis
def test_a_claim_that_fails_again_and_again_is_told(working: Any, broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    from apps.tasks import ledger
    from tests.acting import tasks

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("permission denied")

    signs: VitalSigns = broker.runtime.vital_signs
    signs.excused_at -= 1000
    monkeypatch.setattr("workers.process.consumer.PAUSE_SECONDS", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "claim", refuse)
        tasks.effect.send("n")
        consumer = working.consumers["default"].consumer
        wait_until(lambda: consumer.batch.fetched)
        consumer.well_at -= 1000
        assert signs.read().trouble == "claims"
    wait_until(lambda: signs.read().trouble == "")


def test_a_process_is_not_blamed_while_the_database_is_away(working: Any, broker: Any) -> None:
    runtime = broker.runtime
    signs = VitalSigns(
        runtime.holdings,
        runtime.writer,
        working,
        actors=broker.actors,
        is_ending=lambda: False,
        is_fresh=lambda: False,
    )
    runtime.writer.well_at -= 1000
    assert signs.read().trouble == ""
    signs.is_fresh = lambda: True
    runtime.writer.well_at -= 1000
    assert signs.read().trouble == "", "it gets its time again"


def test_a_process_that_was_declared_dead_writes_nothing() -> None:
    from apps.tasks import presence
    from apps.tasks.values import Vitals

    row = worker(stopped_at=timezone.now())
    assert not presence.beat(row.pk, Vitals(memory_mb=9))
    assert not presence.beat(uuid.uuid4(), Vitals())
    row.refresh_from_db()
    assert row.memory_mb == 0
