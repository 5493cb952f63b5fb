"""Large messages: the relay brings them all to Redis, and they hold up no others."""

import logging

import pytest
import redis
from dramatiq import Message, Worker

from apps.tasks import ledger
from tests.acting import tasks
from workers.process.runtime import Runtime
from workers.relay import Relay
from workers.wire import message as wire_message
from workers.wire import publisher, queue
from workers.wire.message import words_of
from workers.wire.publisher import CHUNK_BYTES, bounded
from workers.wire.queue import FETCH_BYTES

pytestmark = pytest.mark.redis

QUEUE = "default"


def message(number: int, *, size: int = 10) -> Message:
    return wire_message.for_attempt(tasks.effect.message(f"{number}{'x' * size}"), 0)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([5], [1]),
        ([CHUNK_BYTES + 1, 1], [1, 1]),
        ([1, CHUNK_BYTES + 1], [1, 1]),
        ([CHUNK_BYTES // 2] * 5, [2, 2, 1]),
        ([1] * 1_001, [500, 500, 1]),
    ],
)
def test_commands_are_bounded_in_messages_and_bytes(sizes, expected) -> None:
    assert [len(run) for run in bounded(sizes, size=int)] == expected


@pytest.fixture
def unsent(transactional_db, broker) -> None:
    """Rows of 300 kB that Redis does not have."""
    broker.wire.lane.publishers.close()
    sends = [broker.send_of(tasks.effect.message(f"{number}{'x' * 300_000}"), delay=None) for number in range(10)]
    ledger.record(sends)


def test_the_relay_reads_and_publishes_large_rows_a_few_at_a_time(broker, unsent, monkeypatch) -> None:
    read, published = [], []
    still_due, republish = ledger.still_due, broker.wire.republish

    def read_rows(rows):
        read.append(len(rows))
        return still_due(rows)

    def publish(messages):
        published.append(republish(messages))
        return published[-1]

    monkeypatch.setattr(ledger, "still_due", read_rows)
    monkeypatch.setattr(broker.wire, "republish", publish)
    assert Relay(broker).audit() == 10
    assert read == published == [3, 3, 3, 1]


def test_the_relay_publishes_small_rows_before_large_ones_and_each_kind_in_its_order(broker, unsent) -> None:
    ledger.record([broker.send_of(tasks.effect.message(f"small {number}"), delay=None) for number in range(5)])
    rows = ledger.due_after(0, limit=100)
    published = [row for run in ledger.runs_of(rows, max_bytes=CHUNK_BYTES) for row in run]
    assert published == rows[10:] + rows[:10]


def test_a_chunk_that_failed_is_not_counted_and_what_came_before_stays(broker, unsent, monkeypatch) -> None:
    real, calls = broker.wire.republish, []

    def republish(messages):
        calls.append(1)
        if len(calls) == 2:
            raise redis.TimeoutError("too slow")
        return real(messages)

    monkeypatch.setattr(broker.wire, "republish", republish)
    relay = Relay(broker)
    with pytest.raises(redis.TimeoutError):
        relay.audit()
    assert broker.wire.workers.llen(broker.wire.queue_key(QUEUE)) == 3
    assert relay.audit() == 7


def test_messages_that_redis_refuses_are_not_counted(broker, redis_client, caplog) -> None:
    redis_client.set(broker.wire.queue_key("slow"), "not a list")
    refused = message(1).copy(queue_name="slow")
    assert broker.wire.republish([words_of(refused)]) == 0
    assert broker.wire.republish([words_of(message(2))]) == 1
    assert "redis refused messages count=1" in caplog.text


def test_a_fetch_is_bounded_in_bytes_and_keeps_the_order(broker) -> None:
    messages = [message(number, size=FETCH_BYTES // 3) for number in range(7)]
    broker.wire.republish(map(words_of, messages))
    ids = [one.options["redis_message_id"] for one in messages]
    found = []
    for expected in (3, 3, 1):
        fetched = broker.wire.fetch(QUEUE, "me", limit=500)
        assert len(fetched) == expected
        found += [wire_id for wire_id, _ in fetched]
    assert found == ids
    assert broker.wire.fetched_by(QUEUE, "me") == set(ids)


def test_a_large_message_that_fails_does_not_stop_small_ones(broker, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise redis.TimeoutError("too slow")

    monkeypatch.setattr(broker.wire.large_lane.publishers, "publish", fail)
    assert not broker.wire.publish([message(1, size=queue.LARGE_BYTES)])
    assert not broker.wire.publish([message(2, size=queue.LARGE_BYTES)])
    assert broker.wire.publish([message(3)])


def test_a_redis_that_small_messages_do_not_reach_is_not_tried_with_large_ones(broker, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise redis.TimeoutError("away")

    monkeypatch.setattr(broker.wire.lane.publishers, "publish", fail)
    monkeypatch.setattr(broker.wire.large_lane.publishers, "publish", lambda *_, **__: pytest.fail("it was tried"))
    assert not broker.wire.publish([message(1)])
    assert not broker.wire.publish([message(2, size=queue.LARGE_BYTES)])


def test_a_commit_of_many_large_messages_takes_a_bounded_time(broker, monkeypatch, caplog) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(publisher, "BATCH_SECONDS", -1)
    assert not broker.wire.publish([message(number, size=CHUNK_BYTES // 2) for number in range(4)])
    assert "The messages of one commit took longer than" in caplog.text


def test_a_message_whose_fetch_is_still_being_read_is_not_forgotten(broker, redis_client) -> None:
    runtime = Runtime(Worker(broker, worker_threads=1), wire=broker.wire, actors=broker.actors, queues=lambda: [QUEUE])
    broker.wire.republish([words_of(message(1))])
    broker.wire.fetch(QUEUE, runtime.holdings.broker_id, limit=1)
    assert broker.wire.fetches_under_way == {}
    broker.wire.fetches_under_way[QUEUE] = 1
    for _ in range(3):
        runtime.reconciler.requeue_forgotten_messages()
        assert redis_client.llen(broker.wire.queue_key(QUEUE)) == 0
    broker.wire.fetches_under_way[QUEUE] = 2
    runtime.reconciler.requeue_forgotten_messages()
    del broker.wire.fetches_under_way[QUEUE]
    assert redis_client.llen(broker.wire.queue_key(QUEUE)) == 1
