"""The passes of a relay, each by itself, and several relays at once."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.tasks import ledger, presence
from apps.tasks.models import TaskStatus, WorkerProcess
from apps.tasks.values import Send
from tests.acting import tasks
from workers.process import identity
from workers.relay import Relay
from workers.wire.message import wire_id_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def relay(broker) -> Relay:
    return Relay(broker)


@pytest.fixture
def waiting(broker):
    """A function that returns the wire ids that wait on a queue."""

    def read(queue_name: str = "default") -> list[str]:
        return [wire_id.decode() for wire_id in broker.wire.workers.lrange(broker.wire.queue_key(queue_name), 0, -1)]

    return read


def registered(*, host: str = "elsewhere", pid: int = 1, process_started: str = "never") -> WorkerProcess:
    worker_id = uuid.uuid4()
    presence.register(
        worker_id,
        broker_id=str(worker_id),
        host=host,
        hostname=host,
        pid=pid,
        process_started=process_started,
        queues=[],
        threads=1,
    )
    return WorkerProcess.objects.get(pk=worker_id)


def held_by(worker: WorkerProcess, broker) -> str:
    """Send a task and let the worker fetch and claim it. Return its id."""
    message = tasks.effect.send("n")
    broker.wire.fetch("default", worker.broker_id, limit=1)
    held, _ = ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=worker.pk)
    assert len(held) == 1
    return message.message_id


def test_a_delayed_row_is_published_at_its_time(relay, waiting) -> None:
    message = tasks.effect.send_with_options(args=("n",), delay=60_000)
    assert relay.publish_due() == 0
    TaskStatus.objects.update(run_at=timezone.now() - timedelta(seconds=1))
    assert relay.publish_due() == 1
    assert waiting() == [wire_id_of(message.message_id, 0)]
    assert relay.publish_due() == 0


def test_a_row_whose_publisher_died_before_it_published_is_found(relay, waiting) -> None:
    ledger.record([Send(task_id="lost", task_name="acting.effect", queue_name="default", args=("n",))])
    assert relay.audit() == 1
    assert waiting() == ["lost:0"]
    assert relay.audit() == 0


def test_a_wiped_redis_gets_every_waiting_task_again(relay, waiting, broker) -> None:
    messages = [tasks.effect.send(str(number)) for number in range(5)]
    assert relay.is_new_redis()
    assert not relay.is_new_redis()
    broker.wire.workers.flushall()
    assert relay.is_new_redis()
    assert relay.audit() == 5
    assert waiting() == [wire_id_of(message.message_id, 0) for message in messages]


def test_a_message_that_waits_or_is_fetched_is_not_published_again(relay, waiting, broker) -> None:
    tasks.effect.send("waits")
    tasks.effect.send("fetched")
    broker.wire.fetch("default", registered().broker_id, limit=1)
    assert relay.audit() == 0
    assert len(waiting()) == 1


def test_a_process_of_this_host_that_is_gone_is_dead_at_once(relay, broker) -> None:
    worker = registered(host=identity.host(), pid=2**22 + 1)
    task_id = held_by(worker, broker)
    assert relay.rescue() == 1
    row = TaskStatus.objects.get(task_id=task_id)
    assert (row.status, row.attempt, row.crashes, row.retries) == ("pending", 1, 1, 0)
    worker.refresh_from_db()
    assert worker.stopped_at is not None


def test_a_later_process_with_the_same_pid_is_another_one(relay, broker) -> None:
    me = identity.of_this_process()
    registered(host=me.host, pid=me.pid, process_started="1.00")
    alive = registered(host=me.host, pid=me.pid, process_started=me.started)
    relay.rescue()
    assert list(WorkerProcess.objects.filter(stopped_at=None)) == [alive]


def test_a_silent_process_of_this_host_is_alive_while_it_runs(relay, settings, monkeypatch) -> None:
    me = identity.of_this_process()
    registered(host=me.host, pid=me.pid, process_started=me.started)
    now = [100.0]
    monkeypatch.setattr("workers.relay.time.monotonic", lambda: now[0])
    for _ in range(100):
        relay.rescue()
        now[0] += 1
    assert WorkerProcess.objects.filter(stopped_at=None).exists()


def test_a_worker_of_another_host_is_dead_after_a_full_timeout_of_silence(relay, settings, monkeypatch) -> None:
    worker = registered()
    now = [100.0]
    monkeypatch.setattr("workers.relay.time.monotonic", lambda: now[0])
    elapsed = 0.0
    while WorkerProcess.objects.filter(stopped_at=None).exists():
        relay.rescue()
        now[0] += 0.5
        elapsed += 0.5
        assert elapsed < 60
    assert settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS <= elapsed <= settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS + 2
    assert not presence.beat(worker.pk), "it must not go on under this identity"


def test_silence_while_the_relay_itself_was_away_does_not_count(relay, settings, monkeypatch) -> None:
    registered()
    now = [100.0]
    monkeypatch.setattr("workers.relay.time.monotonic", lambda: now[0])
    for _ in range(10):
        relay.rescue()
        now[0] += settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS * 2
    assert WorkerProcess.objects.filter(stopped_at=None).exists()


def test_a_heartbeat_that_moves_keeps_a_worker_alive(relay, monkeypatch) -> None:
    worker = registered()
    now = [100.0]
    monkeypatch.setattr("workers.relay.time.monotonic", lambda: now[0])
    for _ in range(100):
        relay.rescue()
        assert presence.beat(worker.pk)
        now[0] += 1


def test_messages_that_a_dead_worker_had_fetched_and_not_claimed_are_requeued(relay, broker, waiting) -> None:
    worker = registered(host=identity.host(), pid=2**22 + 1)
    message = tasks.effect.send("n")
    broker.wire.fetch("default", worker.broker_id, limit=1)
    assert waiting() == []
    relay.rescue()
    assert waiting() == [wire_id_of(message.message_id, 0)]


def test_an_interrupted_rescue_is_finished_by_the_next_relay(relay, broker) -> None:
    worker = registered()
    task_id = held_by(worker, broker)
    presence.stop(worker.pk)  # The first relay died at this point.
    assert Relay(broker).rescue() == 1
    assert TaskStatus.objects.get(task_id=task_id).status == "pending"


def test_rows_of_workers_that_stopped_long_ago_are_deleted(relay) -> None:
    old, fresh = registered(), registered()
    WorkerProcess.objects.filter(pk=old.pk).update(stopped_at=timezone.now() - timedelta(days=8))
    presence.stop(fresh.pk)
    relay.forget()
    assert list(WorkerProcess.objects.all()) == [fresh]
