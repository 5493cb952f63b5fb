"""The passes of a relay, each by itself, and several relays at once."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
import redis
from django.db import DataError
from django.utils import timezone

from apps.tasks import ledger, presence
from apps.tasks.models import TaskStatus, WorkerProcess
from apps.tasks.values import Send
from tests.acting import tasks
from workers.process import identity
from workers.relay import Relay
from workers.wire.message import wire_id_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.fixture
def relay(broker) -> Relay:
    return Relay(broker)


@pytest.fixture
def waiting(broker):
    """A function that returns the wire ids that wait on a queue."""

    def read(queue_name: str = "default") -> list[str]:
        return [wire_id.decode() for wire_id in broker.wire.workers.lrange(broker.wire.queue_key(queue_name), 0, -1)]

    return read


def registered(
    *, host: str = "elsewhere", pid: int = 1, process_started: str = "never", kind: str = "worker"
) -> WorkerProcess:
    worker_id = uuid.uuid4()
    presence.register(
        worker_id,
        kind=kind,
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
    ledger.record([Send(task_id="lost", task_name="acting.effect", queue_name="default", args='["n"]')])
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


# --- Its own row ---------------------------------------------------------------------------------


@contextmanager
def runs(relay: Relay) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def beats() -> int:
    return sum(WorkerProcess.objects.filter(kind="relay").values_list("beats", flat=True))


@pytest.fixture
def hasty(monkeypatch) -> None:
    """Let relays beat often."""
    monkeypatch.setattr("workers.relay.DUE_SECONDS", 0.01)
    monkeypatch.setattr("workers.relay.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("workers.process_row.conf", SimpleNamespace(WORKER_HEARTBEAT_TIMEOUT_SECONDS=0.04))


def test_a_relay_beats_while_it_runs_and_signs_off(relay, hasty, wait_until) -> None:
    with runs(relay):
        wait_until(lambda: beats() >= 3)
        row = WorkerProcess.objects.get()
        me = identity.of_this_process()
        assert (row.kind, row.pid, row.host, row.process_started) == ("relay", me.pid, me.host, me.started)
        assert row.stopped_at is None
    row.refresh_from_db()
    assert row.stopped_at is not None


def test_a_relay_that_hangs_in_a_pass_does_not_beat(relay, broker, hasty, wait_until, monkeypatch) -> None:
    go_on, is_there = threading.Event(), threading.Event()

    def hang() -> int:
        is_there.set()
        go_on.wait(60)
        return 0

    monkeypatch.setattr(relay, "publish_due", hang)
    with runs(relay):
        assert is_there.wait(60)
        hanging = WorkerProcess.objects.get()
        with runs(Relay(broker)):
            wait_until(lambda: beats() >= hanging.beats + 3)
            assert WorkerProcess.objects.get(pk=hanging.pk).beats == hanging.beats
        go_on.set()
        wait_until(lambda: WorkerProcess.objects.get(pk=hanging.pk).beats > hanging.beats)


def test_a_relay_whose_work_fails_does_not_beat(relay, hasty, wait_until, monkeypatch) -> None:
    failures: list[int] = []
    is_mended = threading.Event()

    def rescue() -> None:
        if not is_mended.is_set():
            failures.append(1)
            raise ZeroDivisionError

    monkeypatch.setattr("workers.relay.RESCUE_SECONDS", 0.01)
    monkeypatch.setattr(relay, "rescue", rescue)
    with runs(relay):
        wait_until(lambda: len(failures) > 3)
        seen = beats()
        count = len(failures)
        wait_until(lambda: len(failures) > count + 10)
        assert beats() == seen
        is_mended.set()
        wait_until(lambda: beats() > seen)


def test_work_that_fails_does_not_hold_up_other_work(relay, broker, waiting, hasty, wait_until, monkeypatch) -> None:
    def rescue() -> None:
        raise DataError

    monkeypatch.setattr(relay, "rescue", rescue)
    monkeypatch.setattr("workers.relay.AUDIT_SECONDS", 0.01)
    with runs(relay):
        wait_until(lambda: WorkerProcess.objects.exists())
        message = tasks.effect.send("n")
        # Both, or the id stays in the list, and once more if the audit was faster than the sender.
        broker.wire.workers.delete(broker.wire.messages_key("default"), broker.wire.queue_key("default"))
        wait_until(lambda: waiting() == [f"{message.message_id}:0"])


@pytest.mark.parametrize("key", ["queue", "messages", "acks"])
def test_a_damaged_key_of_a_dead_worker_does_not_stop_the_relay(key, relay, broker, waiting, caplog) -> None:
    sent = sorted(f"{tasks.effect.send(str(number)).message_id}:0" for number in range(3))
    dead = registered(host="elsewhere")
    broker.wire.fetch("default", dead.broker_id, limit=2)
    presence.stop(dead.pk)
    keys = {
        "queue": broker.wire.queue_key("default"),
        "messages": broker.wire.messages_key("default"),
        "acks": broker.wire.acks_key("default", dead.broker_id),
    }
    broker.wire.workers.set(keys[key], "damaged")
    relay.rescue()
    relay.audit()
    relay.audit()
    assert sorted(set(waiting())) == sent
    assert "keys of another type deleted" in caplog.text


def test_a_relay_without_redis_beats(relay, hasty, wait_until, monkeypatch) -> None:
    def away() -> bool:
        raise redis.ConnectionError

    monkeypatch.setattr(relay, "is_new_redis", away)
    with runs(relay):
        wait_until(lambda: beats() >= 3)


def test_a_relay_beats_between_the_pages_of_a_long_audit(relay, hasty, monkeypatch) -> None:
    monkeypatch.setattr("workers.audit.PAGE", 1)
    for number in range(5):
        tasks.effect.send(str(number))
    seen = []
    monkeypatch.setattr(relay.row, "beat", lambda: seen.append(1))
    relay.audit()
    assert len(seen) >= 5


def test_a_relay_that_was_declared_dead_goes_on_under_a_new_id(relay, hasty, wait_until) -> None:
    with runs(relay):
        first = wait_until(lambda: WorkerProcess.objects.first())
        presence.stop(first.pk)
        second = wait_until(lambda: WorkerProcess.objects.filter(stopped_at=None).first())
        assert second.kind == "relay"


@pytest.mark.parametrize("kind", ["relay", "scheduler"])
def test_a_dead_relay_or_scheduler_is_signed_off_and_no_worker_died(relay, kind, caplog) -> None:
    dead = registered(host=identity.host(), pid=2**22 + 1, kind=kind)
    relay.rescue()
    dead.refresh_from_db()
    assert dead.stopped_at is not None
    assert presence.stopped_within(timedelta(hours=1)) == [], "it fetched nothing"
    assert f"{kind} died host=" in caplog.text
    assert "worker died" not in caplog.text
