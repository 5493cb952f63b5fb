"""aiWriting at a large scale: the costs of a claim and of a relay's pass, and many worker processes in one process."""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import cast

import dramatiq
import redis
from django.db import close_old_connections, connection

from apps.tasks import ledger, presence
from apps.tasks.models import TaskStatus
from benchmarks.acting import tasks
from workers import relay
from workers.broker import LedgerBroker
from workers.process.consumer import IDLE_SECONDS
from workers.process.heartbeat import Heartbeat
from workers.relay import Relay

#: Tasks of one claim.
CLAIMED = 64
#: Seconds until many processes have begun to wait.
SETTLE_SECONDS = 4.0


def costs(times: int) -> dict[str, float]:
    """Return the milliseconds of a claim of `CLAIMED` tasks, of a relay's pass with all its work, and of its audit."""
    broker = cast(LedgerBroker, dramatiq.get_broker())
    one = Relay(broker)
    one.is_new_redis()
    parts = (
        one.publish_due, one.rescue, one.is_new_redis, one.look_around, ledger.expire_waiting, one.settle_groups,
        one.tell_stalls, ledger.cancel_children,
    )  # fmt: skip
    found: dict[str, list[float]] = {"a claim": [], "a relay's pass": []}
    for _ in range(times):
        messages = broker.send_many([tasks.noop.message(number) for number in range(1, CLAIMED + 1)])
        claimed = [(message.message_id, 0) for message in messages]
        with _timed(found["a claim"]):
            ledger.claim(claimed, claim_id=uuid.uuid4(), worker_id=uuid.uuid4())
        with _timed(found["a relay's pass"]):
            for part in parts:
                part()
        # As if they had never been: their claims have no worker.
        TaskStatus.objects.filter(task_id__in=[task_id for task_id, _ in claimed]).delete()
    audit: list[float] = []
    with _timed(audit):
        one.audit()
    return {name: median(values) for name, values in found.items()} | {"a relay's audit": audit[0]}


@contextmanager
def _timed(found: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    found.append((time.perf_counter() - began) * 1000)


def idle_processes(count: int, relays: int, seconds: float) -> dict[str, float]:
    """Let worker processes and relays wait for work. Return what they cost, a second, and their connections.

    A simulated worker process has the waits of a real one: for the messages of each queue, for calls, and its
    heartbeat. They share this process.
    """
    broker = cast(LedgerBroker, dramatiq.get_broker())
    logging.getLogger("workers").setLevel(logging.ERROR)
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(_worker(broker, number))
        for _ in range(relays):
            stack.enter_context(_relay(broker))
        time.sleep(min(SETTLE_SECONDS, seconds))
        before, passes, began = _counters(broker), relay.passes["whole"], time.monotonic()
        time.sleep(seconds)
        after, took = _counters(broker), time.monotonic() - began
        found = {name: (after[name] - value) / took for name, value in before.items()}
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            found["connections to PostgreSQL"] = cursor.fetchone()[0]
        found["connections to Redis"] = len(broker.wire.workers.client_list())
        found["passes of the relays"] = (relay.passes["whole"] - passes) / took
    return found


def _counters(broker: LedgerBroker) -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        commits = cursor.fetchone()[0]
        cursor.execute("SELECT wal_bytes FROM pg_stat_wal")
        written = cursor.fetchone()[0]
    commands = broker.wire.workers.info("stats")["total_commands_processed"]
    return {"commits": commits, "kB of WAL": float(written) / 1000, "Redis commands": commands}


@contextmanager
def _worker(broker: LedgerBroker, number: int) -> Iterator[None]:
    worker_id, stop = uuid.uuid4(), threading.Event()
    broker_id, queues = str(worker_id), sorted(broker.get_declared_queues())
    presence.register(
        worker_id, broker_id=broker_id, host=f"simulated {number}", hostname="simulated", pid=number + 1,
        process_started="", queues=queues, threads=8,
    )  # fmt: skip
    heartbeat = Heartbeat(worker_id, timeout_seconds=10, on_refused=lambda: None)
    waits = [
        threading.Thread(target=_wait, args=(broker, broker_id, queue_name, stop), daemon=True)
        for queue_name in (*queues, None)
    ]
    for thread in (heartbeat, *waits):
        thread.start()
    try:
        yield
    finally:
        stop.set()
        heartbeat.stop()
        broker.wire.wake(broker_id, count=len(queues))
        broker.wire.call([broker_id])
        for thread in waits:
            thread.join()
        presence.stop(worker_id)


def _wait(broker: LedgerBroker, broker_id: str, queue_name: str | None, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            if queue_name is None:
                broker.wire.wait_for_call(broker_id, timeout_seconds=IDLE_SECONDS)
            else:
                broker.wire.wait_and_fetch(queue_name, broker_id, limit=8, timeout_seconds=IDLE_SECONDS)
        except redis.RedisError:
            return


@contextmanager
def _relay(broker: LedgerBroker) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        Relay(broker).run(stop)
        close_old_connections()

    thread = threading.Thread(target=run, name="relay")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
