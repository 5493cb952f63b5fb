"""The rebalancer: a process whose threads are all busy requeues its waiting tasks, so that another runs them."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis
from django.db import OperationalError, connection, connections, transaction
from dramatiq.worker import Worker, _WorkQueueItem

from apps.tasks import ledger
from apps.tasks.models import TaskAttempt, TaskStatus
from apps.tasks.values import Claim
from tests.acting import tasks
from tests.acting.models import Effect
from tests.waiting import PATIENCE_SECONDS
from workers.process.attempt import Attempt, ClaimedMessage
from workers.process.runtime import Runtime
from workers.wire import message as wire_message
from workers.wire.message import wire_id_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]

#: Threads of the worker in the test's process.
THREADS = 4


@pytest.fixture(autouse=True)
def _frequent_audits(monkeypatch) -> None:
    """The relay plans the next audit at each one, so this comes before its start."""
    monkeypatch.setattr("workers.relay.AUDIT_SECONDS", 0.1)
    monkeypatch.setattr("workers.process.reconciler.RECONCILE_SECONDS", 0.1)


@pytest.fixture
def used_to_short_tasks(working, broker, ended) -> None:
    """Let the worker claim many tasks at once from now on."""
    prefetch = broker.runtime.holdings.prefetch
    for _ in range(100):
        prefetch.ran(0.001)
    ended(tasks.slow_effect.send("its consumer still waited with the room from before", 0))
    for _ in range(100):  # A busy machine takes long for that one.
        prefetch.ran(0.001)
    assert prefetch.limit > 5 * THREADS


@pytest.fixture
def sent(used_to_short_tasks, broker, gate) -> tuple[list[dramatiq.Message], list[dramatiq.Message]]:
    """A batch of one task for each thread that runs until the gate opens, and short tasks behind them."""
    long = [gate.message(f"long {number}") for number in range(THREADS)]
    short = [tasks.slow_effect.message(f"short {number}", 0) for number in range(12)]
    broker.send_many([*long, *short])
    return long, short


def rows_of(messages: list[dramatiq.Message]) -> list[tuple[str, int, bool]]:
    rows = TaskStatus.objects.in_bulk([message.message_id for message in messages], field_name="task_id")
    return [(row.status, row.attempt, row.delayed) for row in (rows[message.message_id] for message in messages)]


def waiting(broker) -> list[str]:
    return [found.decode() for found in broker.wire.workers.lrange(broker.wire.queue_key("slow"), 0, -1)]


def claimed(message: dramatiq.Message, worker_id: uuid.UUID) -> Attempt:
    claim_id = uuid.uuid4()
    (row,), _ = ledger.claim([(message.message_id, 0)], claim_id=claim_id, worker_id=worker_id)
    claim = Claim(task_id=row.task_id, row_id=row.row_id, attempt=0, claim_id=claim_id, worker_id=worker_id)
    return Attempt(wire_message.for_attempt(message, 0), claim)


@pytest.fixture
def requeued(broker, wait_until) -> Callable[[list[dramatiq.Message]], None]:
    """Wait until these messages are in Redis in their order, each for its second attempt."""

    def wait(messages: list[dramatiq.Message]) -> None:
        wire_ids = [wire_id_of(message.message_id, 1) for message in messages]
        wait_until(
            lambda: waiting(broker) == wire_ids,
            explain=lambda: list(TaskStatus.objects.values_list("args", "status", "attempt", "started_at")),
        )

    return wait


def test_tasks_behind_long_ones_are_released_and_requeued_in_their_order(
    sent, broker, ended, gate, wait_until, requeued
) -> None:
    long, short = sent
    requeued(short)
    assert rows_of(short) == [("pending", 1, False)] * len(short)
    assert [status for status, *_ in rows_of(long)] == ["processing"] * THREADS
    assert broker.wire.fetched_by("slow", broker.runtime.holdings.broker_id) == {
        f"{message.message_id}:0" for message in long
    }
    gate.open()
    for message in [*long, *short]:
        assert ended(message).status == "completed"
    assert set(TaskStatus.objects.values_list("retries", "crashes")) == {(0, 0)}
    assert not TaskAttempt.objects.exists()
    assert Effect.objects.count() == 1 + len(long) + len(short)
    wait_until(lambda: broker.runtime.holdings.prefetch.held == 0)
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("slow")))


def test_a_process_whose_threads_are_all_busy_takes_no_more_tasks(sent, ended, gate, requeued) -> None:
    long, short = sent
    requeued(short)
    late = tasks.say.send("late")
    assert rows_of(long) == [("processing", 0, False)] * THREADS
    gate.open()
    assert min(ended(message).finished_at for message in long) < ended(late).started_at


def test_a_release_that_fails_is_repeated(sent, broker, ended, gate, wait_until, monkeypatch) -> None:
    long, short = sent
    works, calls = ledger.release_unstarted, []

    def fails_once(claims: list[Claim]) -> set[str]:
        calls.append(len(claims))
        if len(calls) == 1:
            raise OperationalError("the database is away")
        return works(claims)

    monkeypatch.setattr(ledger, "release_unstarted", fails_once)
    wait_until(lambda: len(calls) > 1)
    gate.open()
    for message in [*long, *short]:
        assert ended(message).status == "completed"
    assert calls[0] == calls[1] == len(short), "all of them, and none started in between"
    assert Effect.objects.count() == 1 + len(long) + len(short)


def test_a_release_that_redis_does_not_get_is_published_by_the_relay(
    sent, broker, ended, gate, monkeypatch, wait_until
) -> None:
    long, short = sent
    requeue_as = broker.wire.requeue_as
    calls = []

    def is_away_once(*args: object, **kwargs: object) -> None:
        calls.append(args)
        if len(calls) == 1:
            raise redis.ConnectionError("Redis is away")
        requeue_as(*args, **kwargs)

    monkeypatch.setattr(broker.wire, "requeue_as", is_away_once)
    wait_until(lambda: calls)
    gate.open()
    for message in [*long, *short]:
        assert ended(message).status == "completed"
    assert Effect.objects.count() == 1 + len(long) + len(short)
    # The reconciler requeues the message of the earlier attempt. Its claim is refused, and it is acked.
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("slow")))


@pytest.mark.parametrize("reply", ["of the database", "of Redis"])
def test_a_lost_reply_costs_neither_a_task_nor_room(reply, sent, broker, ended, gate, monkeypatch, wait_until) -> None:
    """The release took, but the process does not know."""
    long, short = sent
    calls = []

    def loses_the_first(works: Any, error: Exception) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            answer = works(*args, **kwargs)
            calls.append(args)
            if len(calls) == 1:
                raise error
            return answer

        return call

    owner, name, error = {
        "of the database": (ledger, "release_unstarted", OperationalError("the connection is closed")),
        "of Redis": (broker.wire, "requeue_as", redis.TimeoutError("no answer")),
    }[reply]
    monkeypatch.setattr(owner, name, loses_the_first(getattr(owner, name), error))
    wait_until(lambda: calls)
    gate.open()
    for message in [*long, *short]:
        assert ended(message).status == "completed"
    assert Effect.objects.count() == 1 + len(long) + len(short)
    wait_until(lambda: broker.runtime.holdings.prefetch.held == 0)
    assert not broker.runtime.holdings.held
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("slow")))


def test_a_locked_row_does_not_delay_the_release_of_the_others(sent, broker, ended, gate, wait_until) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no row locks")
    long, short = sent
    locked, release = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic():
            TaskStatus.objects.select_for_update().get(task_id=short[0].message_id)
            locked.set()
            release.wait(PATIENCE_SECONDS)
        connections.close_all()

    thread = threading.Thread(target=lock)
    thread.start()
    assert locked.wait(PATIENCE_SECONDS)
    try:
        wait_until(lambda: len(waiting(broker)) >= len(short) - 1)
    finally:
        gate.open()
        release.set()
        thread.join()
    for message in [*long, *short]:
        assert ended(message).status == "completed"
    assert Effect.objects.count() == 1 + len(long) + len(short)


def test_a_released_task_keeps_its_time_its_retries_and_its_options(sent, broker, ended, gate, requeued) -> None:
    long, short = sent
    requeued(short)
    rows = TaskStatus.objects.filter(status="pending", attempt=1)
    assert [row.run_at - row.created_at for row in rows] == [timedelta()] * len(short)
    stored = broker.wire.workers.hgetall(broker.wire.messages_key("slow"))
    published = {wire_id.decode(): wire_message.decode(data) for wire_id, data in stored.items()}
    for row in rows:
        message = published[f"{row.task_id}:1"]
        assert message == wire_message.from_row(row).copy(message_timestamp=message.message_timestamp)
    gate.open()
    for message in [*long, *short]:
        ended(message)


def test_suspects_do_not_wait_behind_a_long_suspect(working, broker, ended, gate, wait_until, monkeypatch) -> None:
    """A process starts no suspect beside one that is not cleared, and another process may be idle."""
    for name in ("CLEAR_SECONDS", "CLEAR_SECONDS_LIMIT"):
        monkeypatch.setattr(f"workers.process.suspects.{name}", 600.0)
    monkeypatch.setattr("workers.process.holdings.EARLY_SECONDS", 600.0)
    broker.runtime.stopping.set()
    long, *short = gate.message("0"), *(tasks.slow_effect.message(f"{number}", 0) for number in range(1, 4))
    broker.send_many([long, *short])
    TaskStatus.objects.update(crashes=1)
    broker.runtime.stopping.clear()
    wait_until(lambda: TaskStatus.objects.get(task_id=long.message_id).started_at)
    fetched: set[str] = set()

    def has_all() -> bool:
        fetched.update(wire_id for wire_id, _ in broker.wire.wait_and_fetch("slow", "idle", limit=9, timeout_seconds=1))
        return fetched == {f"{message.message_id}:0" for message in short}

    wait_until(has_all)
    assert TaskStatus.objects.get(task_id=long.message_id).status == "processing"
    gate.open()
    broker.wire.requeue("slow", "idle")
    for message in [long, *short]:
        assert ended(message).status == "completed"
    assert Effect.objects.count() == 4
    assert set(TaskStatus.objects.values_list("attempt", "crashes")) == {(0, 1)}
    wait_until(lambda: broker.runtime.holdings.begin_suspect(None))
    broker.runtime.holdings.suspects.give_up()


def test_a_task_that_the_writer_releases_already_frees_its_room_once(broker) -> None:
    """The reconciler may have taken it for forgotten. Freed twice, the process would hold too many for ever."""
    runtime = Runtime(
        Worker(broker, worker_threads=1), wire=broker.wire, actors=broker.actors, queues=broker.get_declared_queues
    )
    running, forgotten = (claimed(tasks.effect.send(nonce), runtime.worker_id) for nonce in "ab")
    runtime.holdings.hold([running, forgotten])
    running.started = 0.0
    runtime.worker.work_queue.put(_WorkQueueItem(0, ClaimedMessage(forgotten)))
    runtime.writer.end(forgotten)
    pending: list[Attempt] = []
    runtime.writer.gather(pending)
    runtime.rebalancer.rebalance(end=runtime.writer.end)
    assert runtime.writer.write(pending) == []
    assert (runtime.holdings.prefetch.held, list(runtime.holdings.held.values())) == (1, [running])


def test_only_a_claim_that_holds_can_be_released(broker) -> None:
    worker_id = uuid.uuid4()
    held, other = (tasks.effect.send(nonce) for nonce in "ab")
    claims = [claimed(message, worker_id).claim for message in (held, other)]
    forged = Claim(
        task_id=other.message_id, row_id=claims[1].row_id, attempt=0, claim_id=claims[0].claim_id, worker_id=worker_id
    )
    assert ledger.release_unstarted([claims[0], forged]) == {held.message_id}
    assert rows_of([held, other]) == [("pending", 1, False), ("processing", 0, False)]
    assert ledger.release_unstarted([claims[0]]) == set()
    assert ledger.release_unstarted([]) == set()
