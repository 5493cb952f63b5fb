"""The threads of a worker process: they start together or not at all, and survive errors."""

import os
import socket
import threading
import uuid
from datetime import timedelta
from typing import Any

import psutil
import pytest
import redis
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from dramatiq import Worker

from apps.tasks import ledger, presence
from apps.tasks.models import TaskStatus, WorkerProcess
from apps.tasks.values import Vitals
from tests.acting import tasks
from workers.middleware.lifecycle import BootError
from workers.process import identity, reconciler, writer
from workers.process.consumer import LedgerConsumer
from workers.process.heartbeat import Heartbeat
from workers.process.main import stop_worker
from workers.process.runtime import Runtime
from workers.relay import Relay
from workers.wire.queue import WireQueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


def test_a_worker_that_cannot_register_does_not_start(broker, booted, monkeypatch) -> None:
    """It would claim tasks under an identity that no relay knows."""

    def away(*args: object, **kwargs: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(presence, "register", away)
    worker = Worker(broker, worker_threads=1, worker_timeout=50)
    with pytest.raises(BootError, match="the database is away"):
        worker.start()
    assert broker.runtime is None
    assert not worker.workers
    assert not worker.consumers


def test_a_task_held_by_an_unknown_process_is_rescued(broker) -> None:
    message = tasks.effect.send("n")
    ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=uuid.uuid4())
    assert Relay(broker).rescue() == 1
    assert TaskStatus.objects.get().status == "pending"


def test_a_heartbeat_goes_on_after_an_error_of_any_kind(monkeypatch) -> None:
    beaten, answers = threading.Event(), iter([RuntimeError("can't start new thread"), OperationalError("away")])

    def beat(worker_id: uuid.UUID, vitals: Vitals) -> bool:
        if (error := next(answers, None)) is not None:
            raise error
        beaten.set()
        return True

    monkeypatch.setattr(presence, "beat", beat)
    heartbeat = Heartbeat(uuid.uuid4(), timeout_seconds=0.1, on_refused=lambda: None)
    heartbeat.start()
    assert beaten.wait(60)
    heartbeat.stop()


def test_a_process_that_cannot_read_its_vitals_beats_all_the_same(monkeypatch) -> None:
    def broken() -> Vitals:
        raise OSError("/proc is not there")

    beats: list[Vitals] = []

    def beat(worker_id: uuid.UUID, vitals: Vitals) -> bool:
        beats.append(vitals)
        return True

    monkeypatch.setattr(presence, "beat", beat)
    heartbeat = Heartbeat(uuid.uuid4(), timeout_seconds=60, on_refused=lambda: None, vitals=broken)
    assert heartbeat.beat()
    assert beats == [Vitals()]


def test_a_process_that_was_declared_dead_starts_no_more_tasks(monkeypatch) -> None:
    refused = threading.Event()
    monkeypatch.setattr(presence, "beat", lambda worker_id, vitals: False)
    heartbeat = Heartbeat(uuid.uuid4(), timeout_seconds=60, on_refused=refused.set)
    assert heartbeat.is_fresh
    assert not heartbeat.beat()
    assert refused.is_set()
    assert not heartbeat.is_fresh


def test_setting_the_clock_does_not_change_the_identity_of_a_process(monkeypatch) -> None:
    before = identity.started(os.getpid())
    assert before
    if not psutil.LINUX:
        pytest.skip("other systems tell the start by the time of day only")
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: 1_000_000.0)
    assert identity.started(os.getpid()) == before
    assert identity.is_running(os.getpid(), before)


def test_the_reconciler_leaves_a_batch_alone_while_it_is_claimed(
    working, broker, ended, wait_until, monkeypatch
) -> None:
    """The claim took, and the consumer still asks about the rest of the batch while a lock lasts."""
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.05)
    looks, real_rows, real_claim = [], ledger.held_by, ledger.claim

    def count(worker_id: uuid.UUID) -> object:
        looks.append(1)
        return real_rows(worker_id)

    def slow(*args: object, **kwargs: object) -> object:
        answer = real_claim(*args, **kwargs)  # type: ignore[arg-type]
        seen = len(looks)
        wait_until(lambda: len(looks) > seen + 4)
        return answer

    monkeypatch.setattr(ledger, "held_by", count)
    monkeypatch.setattr(ledger, "claim", slow)
    row = ended(tasks.add.send(1, 2))
    assert (row.status, row.attempt) == ("completed", 0)


def test_a_worker_that_stops_while_redis_is_away_signs_off(broker, booted, monkeypatch) -> None:
    def away(*args: object, **kwargs: object) -> int:
        raise redis.ConnectionError("redis is away")

    worker = Worker(broker, worker_threads=1, worker_timeout=50)
    worker.start()
    with monkeypatch.context() as patch:
        patch.setattr(broker.wire, "requeue", away)
        worker.stop(timeout=60_000)
    broker.middleware.pop()  # Dramatiq adds one for each worker and has no way to remove it.
    assert broker.runtime is None
    assert WorkerProcess.objects.get().stopped_at is not None


def test_fetched_messages_of_a_stopped_worker_are_requeued_although_redis_was_away_for_hours(
    broker, monkeypatch
) -> None:
    worker_id = uuid.uuid4()
    presence.register(
        worker_id,
        broker_id=str(worker_id),
        host="elsewhere",
        hostname="elsewhere",
        pid=1,
        process_started="never",
        queues=[],
        threads=1,
    )
    tasks.effect.send("n")
    broker.wire.fetch("default", str(worker_id), limit=1)
    WorkerProcess.objects.update(stopped_at=timezone.now() - timedelta(hours=3))
    stop, waits = threading.Event(), broker.wire.queue_key("default")
    monkeypatch.setattr("workers.relay.DUE_SECONDS", 0.01)
    relay = threading.Thread(target=Relay(broker).run, args=(stop,))
    relay.start()
    try:
        assert broker.wire.workers.blpop([waits], timeout=4)
    finally:
        stop.set()
        relay.join()


def test_messages_without_room_when_the_bell_rings_are_requeued_in_their_order(broker, monkeypatch) -> None:
    """The consumer of another queue may have filled it meanwhile, and another process may be idle."""
    wire_ids = [f"{message.message_id}:0" for message in broker.send_many(tasks.effect.message(n) for n in "abcde")]
    runtime = Runtime(
        Worker(broker, worker_threads=3), wire=broker.wire, actors=broker.actors, queues=broker.get_declared_queues
    )
    consumer, rung = runtime.consumer("default", timeout_seconds=1), broker.wire.wait_and_fetch

    def wait_and_fetch(*args: Any, **options: Any) -> Any:
        found = rung(*args, **options)
        runtime.holdings.prefetch.take("slow", 1)
        return found

    monkeypatch.setattr(broker.wire, "wait_and_fetch", wait_and_fetch)
    fetched = consumer.wait_and_fetch(timeout_seconds=1)
    assert [wire_id for wire_id, _ in fetched] == wire_ids[:2]
    assert broker.wire.fetched_by("default", runtime.holdings.broker_id) == set(wire_ids[:2])
    runtime.stop_fetching()
    assert consumer.wait_and_fetch(timeout_seconds=1) == []
    waiting = broker.wire.workers.lrange(broker.wire.queue_key("default"), 0, -1)
    assert [wire_id.decode() for wire_id in waiting] == wire_ids[2:]


def test_an_idle_worker_stops_at_once_although_its_consumers_wait_for_long(
    broker, booted, monkeypatch, wait_until, redis_client
) -> None:
    pool = broker.wire.workers.connection_pool
    monkeypatch.setattr("workers.process.consumer.IDLE_SECONDS", 600)
    monkeypatch.setitem(pool.connection_kwargs, "socket_timeout", None)
    pool.disconnect()
    pool.reset()  # Connections that were made before keep their time limit.
    worker = Worker(broker, worker_threads=1, worker_timeout=50)
    worker.start()
    try:
        wait_until(
            lambda: all(
                isinstance(thread.consumer, LedgerConsumer) and thread.consumer.is_idle
                for thread in worker.consumers.values()
            )
        )
        wait_until(lambda: redis_client.info("clients")["blocked_clients"] >= len(worker.consumers) > 1)
    finally:
        worker.stop(timeout=60_000)
        broker.middleware.pop()
        pool.disconnect()
        pool.reset()
    assert not any(thread.is_alive() for thread in worker.consumers.values())


def test_a_url_with_a_time_limit_does_not_cut_off_an_idle_wait(broker) -> None:
    """The wait for the bell is longer than that."""
    url = f"{settings.REDIS_URL}{'&' if '?' in settings.REDIS_URL else '?'}socket_timeout=0.2&client_name=tests"
    wire = WireQueue(url, namespace=broker.namespace)
    try:
        assert wire.wait_and_fetch("default", "a process", limit=1, timeout_seconds=0.5) == []
        assert wire.workers.client_getname() == "tests"
    finally:
        wire.close()


def test_a_stop_waits_for_a_silent_redis_no_longer_than_a_sender(monkeypatch) -> None:
    """The seconds would be missing from the time that the platform gives to running tasks."""
    monkeypatch.setattr("workers.wire.queue.WORK_TIMEOUT_SECONDS", 600)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # Accepts and never answers.
        wire = WireQueue(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", namespace="test")
        with pytest.raises(redis.TimeoutError):
            wire.wake("a process", count=3)
        wire.close()


def test_waiting_tasks_are_released_at_a_stop_although_redis_is_full(
    working, broker, gate, redis_client, wait_until, monkeypatch
) -> None:
    monkeypatch.setattr(broker.runtime.holdings.prefetch, "threads", 8)
    monkeypatch.setattr("workers.process.holdings.AHEAD_SECONDS", 600)  # Otherwise it is released before.
    for number in range(4):
        gate.send(f"busy {number}")
    wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).count() == 4)
    held = TaskStatus.objects.filter(task_id=tasks.slow_effect.send("held", 0).message_id)
    wait_until(lambda: held.get().status == "processing")
    redis_client.config_set("maxmemory", 1)
    try:
        broker.emit_before("worker_shutdown", working)
        wait_until(lambda: held.get().status == "pending", explain=lambda: held.values())
    finally:
        redis_client.config_set("maxmemory", 0)
    assert TaskStatus.objects.filter(status="processing").count() == 4


def test_stopped_workers_that_left_no_message_cost_one_command(broker, redis_client) -> None:
    """The messages of stopped workers are looked for during some minutes, also if there are none."""
    for _ in range(20):
        worker_id = uuid.uuid4()
        presence.register(
            worker_id, broker_id=str(worker_id), host=identity.host(), hostname="here", pid=1, process_started="never",
            queues=[], threads=1,
        )  # fmt: skip
        presence.stop(worker_id)
    relay = Relay(broker)
    relay.rescue()
    before = redis_client.info("commandstats")
    relay.rescue()
    after = redis_client.info("commandstats")
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert {name: count for name, count in calls.items() if count} == {"cmdstat_exists": 1, "cmdstat_info": 1}


def test_an_idle_writer_is_woken_by_a_task_that_starts(request, monkeypatch, wait_until) -> None:
    monkeypatch.setattr(writer, "REST_SECONDS", 600)
    request.getfixturevalue("working")
    gate = request.getfixturevalue("gate")
    message = gate.send("n")
    wait_until(lambda: TaskStatus.objects.get(task_id=message.message_id).progress > 0)
    assert TaskStatus.objects.get().status == "processing"
    gate.open()
    assert message.get_result(block=True) == "n"


def test_the_progress_of_a_long_task_is_written_while_many_short_ones_start(working, gate, wait_until) -> None:
    """A task that starts while the writer waits has progress soon. It must not delay the progress of others."""
    row = TaskStatus.objects.filter(task_id=gate.send("long").message_id)
    wait_until(lambda: row.get().progress)
    seen = set()

    def send_and_look() -> bool:
        tasks.say.send("short")
        seen.add(row.get().progress_text)
        return len(seen) > 4

    wait_until(send_and_look)


def test_the_last_running_task_gets_the_whole_drain_although_many_threads_end_before(
    broker, booted, wait_until
) -> None:
    worker = Worker(broker, worker_threads=12, worker_timeout=50)
    worker.start()
    try:
        for number in range(11):
            tasks.slow_effect.send(f"short {number}", 1)
        wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).count() == 11)
        busy = {attempt.thread for attempt in broker.runtime.holdings.held.values()}
        long = tasks.slow_effect.send("long", 2.5)
        wait_until(lambda: TaskStatus.objects.filter(task_id=long.message_id, started_at__isnull=False).exists())
        worker.workers.sort(key=lambda thread: thread not in busy)
    finally:
        stop_worker(worker, drain_seconds=8)  # Counted once a thread, it would be over with the short ones.
        broker.middleware.pop()
    assert set(TaskStatus.objects.values_list("status", "attempt")) == {("completed", 0)}


def test_a_task_that_outlives_the_drain_is_released(broker, booted, gate, wait_until) -> None:
    worker = Worker(broker, worker_threads=2, worker_timeout=50)
    worker.start()
    try:
        gate.send("long")  # The stop would wait for it for ever.
        wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).exists())
    finally:
        stop_worker(worker, drain_seconds=0.2)
        broker.middleware.pop()
    row = TaskStatus.objects.get()
    assert (row.status, row.attempt, row.retries) == ("pending", 1, 0)
