"""Publishing: a single message does not wait for the answer of Redis, and is not lost with it."""

import json
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress

import pytest
import redis
from django.conf import settings
from django.db import transaction
from dramatiq import Message
from dramatiq.encoder import JSONEncoder, MessageData

from apps.tasks.conf import conf
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.waiting import wait_until
from workers.broker import LedgerBroker
from workers.sending.on_commit import publish_on_commit
from workers.wire import lane
from workers.wire import message as wire_message
from workers.wire.clients import PUBLISH_TIMEOUT_SECONDS, client
from workers.wire.message import wire_id_of, words_of
from workers.wire.publisher import PlainPublishers, Publisher, Publishers, pack
from workers.wire.queue import WireQueue
from workers.wire.scripts import UNPACK_LIMIT

pytestmark = pytest.mark.redis

QUEUE = "default"


@pytest.fixture
def publisher(broker: LedgerBroker) -> Iterator[Publisher]:
    publisher = Publisher(broker.wire.senders, namespace=broker.namespace)
    yield publisher
    publisher.close()


@pytest.fixture
def unsettled(broker: LedgerBroker, monkeypatch: pytest.MonkeyPatch) -> WireQueue:
    """The broker's wire as outside the tests: the answer to a single message is not read when its send returns."""
    monkeypatch.setattr(broker.wire, "is_synchronous", False)
    return broker.wire


def message(number: int, *, queue_name: str = QUEUE) -> Message:
    return wire_message.for_attempt(tasks.effect.message(str(number)).copy(queue_name=queue_name), 0)


def publish(publisher: Publisher | Publishers, messages: list[Message]) -> None:
    publisher.publish([pack(words_of(one)) for one in messages])


def waiting(publisher: Publisher | Publishers, redis_client: "redis.Redis", queue_name: str = QUEUE) -> list[str]:
    publisher.settle()
    found = redis_client.lrange(f"{settings.DRAMATIQ_NAMESPACE}:{queue_name}", 0, -1)
    return [str(wire_id) for wire_id in found]


def ids(messages: list[Message]) -> list[str]:
    return [message.options["redis_message_id"] for message in messages]


def test_single_messages_arrive_in_their_order(publisher, broker, redis_client) -> None:
    messages = [message(number) for number in range(5)]
    for one in messages:
        publish(publisher, [one])
    assert waiting(publisher, redis_client) == ids(messages)


def test_many_messages_of_many_queues_arrive_in_their_order_and_ring_every_bell(
    publisher, broker, redis_client
) -> None:
    messages = [message(number, queue_name=("default", "slow", "default")[number % 3]) for number in range(1_200)]
    publish(publisher, messages)
    for queue_name, bells in (("default", 16), ("slow", 16)):
        of_queue = [one for one in messages if one.queue_name == queue_name]
        assert waiting(publisher, redis_client, queue_name) == ids(of_queue)
        assert redis_client.llen(broker.wire.bell_key(queue_name)) == bells


def test_a_message_that_is_queued_already_is_not_queued_twice_and_rings_no_bell(
    publisher, broker, redis_client
) -> None:
    one = message(1)
    publish(publisher, [one])
    publisher.settle()
    redis_client.delete(broker.wire.bell_key(QUEUE))
    publish(publisher, [one])
    publish(publisher, [one, message(2)])
    assert len(waiting(publisher, redis_client)) == 2
    assert redis_client.llen(broker.wire.bell_key(QUEUE)) == 1


@pytest.mark.parametrize("is_noticed", ["before", "while publishing"])
def test_an_unanswered_message_is_published_again_after_the_connection_broke(
    broker, redis_client, redis_server_pid, is_noticed
) -> None:
    publishers = Publishers(broker.wire.senders, namespace=broker.namespace)
    messages = [message(1), message(2)]
    publish(publishers, [message(0)])
    publishers.settle()
    os.kill(redis_server_pid, signal.SIGSTOP)
    try:
        publish(publishers, messages[:1])
        publishers.idle[0].connection._sock.shutdown(socket.SHUT_RDWR)
    finally:
        os.kill(redis_server_pid, signal.SIGCONT)
    redis_client.flushdb()
    if is_noticed == "before":
        publishers.settle()
    publish(publishers, messages[1:])
    assert waiting(publishers, redis_client) == ids(messages)
    publishers.close()


def test_a_connection_that_redis_closed_is_opened_again(publisher, broker, redis_client) -> None:
    messages = [message(1), message(2)]
    publish(publisher, messages[:1])
    redis_client.client_kill_filter(skipme=True, _type="normal")
    publish(publisher, messages[1:])
    assert waiting(publisher, redis_client) == ids(messages)


def after_commit(redis_client: "redis.Redis") -> str:
    with transaction.atomic():
        sent = tasks.effect.send("n").message_id
        redis_client.client_kill_filter(skipme=True, _type="normal")
    return sent


def after_a_rollback(redis_client: "redis.Redis") -> str:
    with suppress(RuntimeError), transaction.atomic():
        tasks.effect.send("rolled back")
        raise RuntimeError
    redis_client.client_kill_filter(skipme=True, _type="normal")
    return tasks.effect.send("n").message_id


@pytest.mark.parametrize("send", [after_commit, after_a_rollback])
def test_a_connection_that_redis_closed_after_it_was_settled_is_opened_again(
    broker, unsettled, redis_client, transactional_db, send
) -> None:
    tasks.effect.send("before")
    sent = send(redis_client)
    unsettled.settle()
    assert wire_id_of(sent, 0) in redis_client.lrange(broker.wire.queue_key(QUEUE), 0, -1)


@pytest.mark.fast_path("the connections are those of redis-py's pool")
def test_redis_is_found_again_however_often_it_was_away(broker, redis_client, monkeypatch) -> None:
    monkeypatch.setattr(lane, "BREAKER_SECONDS", 0)
    options = broker.wire.senders.connection_pool.connection_kwargs
    with monkeypatch.context() as away:
        away.setitem(options, "port", 1)
        broker.wire.publishers.close()
        assert not any(broker.wire.publish([message(number)]) for number in range(150))
    broker.wire.publishers.close()  # Its connection has the wrong port.
    one = message(1)
    assert broker.wire.publish([one])
    assert redis_client.lrange(broker.wire.queue_key(QUEUE), 0, -1) == ids([one])


def test_a_log_handler_may_use_the_database(broker, redis_client, transactional_db, request) -> None:
    class Querying(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            counted.append(TaskStatus.objects.count())

    counted: list[int] = []
    handler = Querying()
    logging.getLogger("workers.wire.publisher").addHandler(handler)
    request.addfinalizer(lambda: logging.getLogger("workers.wire.publisher").removeHandler(handler))
    redis_client.set(broker.wire.queue_key(QUEUE), "not a list")
    for _ in range(2):
        tasks.effect.send("n")
    # With the fast path, the second send reads the answer to the first.
    assert counted == ([2] if conf.TASK_FAST_PATH else [1, 2])


@pytest.mark.fast_path("no message is unanswered")
@pytest.mark.parametrize("error", [redis.InvalidResponse("HTTP/1.1 400"), ValueError("no number")])
def test_an_invalid_answer_fails_neither_a_send_nor_its_transaction(
    broker, unsettled, transactional_db, monkeypatch, caplog, error
) -> None:
    def read_response(*_: object, **__: object) -> None:
        raise error

    hooks: list[str] = []
    tasks.effect.send("before")
    unsettled.settle()
    for inside in (nullcontext, transaction.atomic):
        broker.wire.reopen()
        tasks.effect.send("its answer is invalid")
        with monkeypatch.context() as broken:
            broken.setattr(broker.wire.publishers.idle[-1].connection, "read_response", read_response)
            with inside():
                TaskStatus.objects.count()
                tasks.effect.send("reads that answer")
                transaction.on_commit(lambda: hooks.append("called"))
    assert TaskStatus.objects.count() == 5
    assert hooks == ["called", "called"]
    assert caplog.text.count("the relay will publish count=1") == 2


def test_a_failed_publication_does_not_keep_later_hooks_from_running(transactional_db, caplog) -> None:
    def fail(messages: Sequence[str]) -> None:
        raise RuntimeError("no")

    hooks: list[str] = []
    with transaction.atomic():
        publish_on_commit(["message"], fail)
        transaction.on_commit(lambda: hooks.append("called"))
    assert hooks == ["called"]
    assert "Error calling CommitBatch in on_commit()" in caplog.text


def test_a_message_that_redis_refuses_is_logged_and_left_to_the_relay(publisher, broker, redis_client, caplog) -> None:
    redis_client.set(broker.wire.queue_key(QUEUE), "not a list")
    publish(publisher, [message(1)])
    publish(publisher, [message(2, queue_name="slow")])
    assert "redis refused, the relay will publish count=1" in caplog.text
    assert len(waiting(publisher, redis_client, "slow")) == 1


def test_a_redis_that_forgot_its_scripts_still_takes_messages(publisher, broker, redis_client) -> None:
    redis_client.script_flush()
    publish(publisher, [message(1)])
    assert len(waiting(publisher, redis_client)) == 1


def test_connections_are_used_again_and_one_that_failed_is_not(broker) -> None:
    publishers = Publishers(broker.wire.senders, namespace=broker.namespace)
    publish(publishers, [message(1)])
    [first] = publishers.idle
    publish(publishers, [message(2)])
    assert list(publishers.idle) == [first]
    with pytest.raises(TypeError):
        publishers.publish([None])  # type: ignore[list-item]
    assert not publishers.idle
    publishers.close()


def test_a_forked_process_does_not_use_its_parents_connection(broker) -> None:
    publishers = Publishers(broker.wire.senders, namespace=broker.namespace)
    publish(publishers, [message(1)])
    [publisher] = publishers.idle
    publisher.pid = os.getppid()
    publish(publishers, [message(2)])
    assert publisher not in publishers.idle
    publishers.close()
    publisher.close()


def test_a_single_send_does_not_wait_for_a_redis_that_hangs(redis_server_pid, publisher) -> None:
    publish(publisher, [message(0)])
    publisher.settle()
    os.kill(redis_server_pid, signal.SIGSTOP)
    try:
        publish(publisher, [message(1)])
        with pytest.raises(redis.TimeoutError):
            publish(publisher, [message(2), message(3)])
    finally:
        os.kill(redis_server_pid, signal.SIGCONT)


@pytest.mark.fast_path("no message is unanswered")
def test_a_send_is_recorded_while_redis_hangs_and_the_next_ones_do_not_try_redis(
    unsettled, redis_server_pid, caplog, monkeypatch, transactional_db
) -> None:
    monkeypatch.setattr("workers.wire.lane.BREAKER_SECONDS", 600)
    tasks.effect.send("before")
    unsettled.settle()
    os.kill(redis_server_pid, signal.SIGSTOP)
    try:
        first = tasks.effect.send("written, not answered")
        began = time.monotonic()
        second = tasks.effect.send("waits for the answer to the one before")
        assert time.monotonic() - began > PUBLISH_TIMEOUT_SECONDS
        monkeypatch.setattr(unsettled.publishers, "publish", lambda *args, **kwargs: pytest.fail("it tried Redis"))
        third = tasks.effect.send("does not try Redis")
    finally:
        os.kill(redis_server_pid, signal.SIGCONT)
    recorded = {sent.message_id for sent in (first, second, third)}
    assert recorded <= set(TaskStatus.objects.values_list("task_id", flat=True))
    assert caplog.text.count("redis does not answer, the relay will publish") == 1


@pytest.mark.fast_path("every answer is waited for")
def test_a_transaction_does_not_wait_for_a_redis_that_hangs(
    unsettled, redis_server_pid, monkeypatch, transactional_db
) -> None:
    tasks.effect.send("before")
    unsettled.settle()
    os.kill(redis_server_pid, signal.SIGSTOP)
    try:
        tasks.effect.send("written, not answered")
        with transaction.atomic(), monkeypatch.context() as patch:
            (publisher,) = unsettled.publishers.idle
            for waits, name in ((unsettled.publishers, "publish"), (publisher.connection, "read_response")):
                patch.setattr(waits, name, lambda *args, **kwargs: pytest.fail("it waits for Redis"))
            tasks.effect.send("inside")
    finally:
        os.kill(redis_server_pid, signal.SIGCONT)


@pytest.mark.fast_path("every answer is waited for")
def test_a_transaction_reads_an_answer_that_is_there_while_the_database_writes(
    unsettled: WireQueue, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    tasks.effect.send("not answered when its send returns")
    (publisher,) = unsettled.publishers.idle
    wait_until(lambda: publisher.connection.can_read(timeout=0))

    with transaction.atomic():
        tasks.effect.send("inside")
        monkeypatch.setattr(publisher.connection, "read_response", lambda: pytest.fail("it reads after the commit"))

    assert list(unsettled.publishers.idle) == [publisher]


@pytest.fixture
def redis_server_pid(redis_client) -> int:
    if "127.0.0.1" not in settings.REDIS_URL:
        pytest.skip("Redis runs elsewhere")
    return int(redis_client.info("server")["process_id"])


def test_an_idle_consumer_gets_a_message_that_is_published_while_it_waits(broker, redis_client) -> None:
    found: list[tuple[str, bytes]] = []

    def wait() -> None:
        found.extend(broker.wire.wait_and_fetch(QUEUE, "me", limit=8, timeout_seconds=10))

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: redis_client.info("clients")["blocked_clients"] == 1)
    one = message(1)
    broker.wire.publish([one])
    thread.join(60)
    assert [wire_id for wire_id, _ in found] == ids([one])
    assert broker.wire.fetched_by(QUEUE, "me") == set(ids([one]))


def test_a_consumer_that_waits_in_vain_gets_nothing(broker) -> None:
    assert broker.wire.wait_and_fetch(QUEUE, "me", limit=8, timeout_seconds=0.05) == []


def test_a_redis_that_forgot_its_scripts_can_still_be_fetched_from(broker, redis_client) -> None:
    one = message(1)
    broker.wire.publish([one])
    redis_client.script_flush()
    found = broker.wire.wait_and_fetch(QUEUE, "me", limit=8, timeout_seconds=1)
    assert [wire_id for wire_id, _ in found] == ids([one])


def test_an_error_of_redis_while_a_consumer_waits_is_raised(broker, redis_client) -> None:
    redis_client.set(broker.wire.bell_key(QUEUE), "not a list")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        broker.wire.wait_and_fetch(QUEUE, "me", limit=8, timeout_seconds=1)


def test_without_the_fast_path_a_refused_chunk_leaves_the_others(broker, redis_client, caplog) -> None:
    publishers = PlainPublishers(broker.wire.senders, namespace=broker.namespace)
    redis_client.set(broker.wire.queue_key("slow"), "not a list")
    refused, taken = ([message(number, queue_name=name) for number in range(UNPACK_LIMIT)] for name in ("slow", QUEUE))
    publishers.publish([publishers.pack(words_of(one)) for one in [*refused, *taken]])
    assert redis_client.lrange(broker.wire.queue_key(QUEUE), 0, -1) == ids(taken)
    assert f"redis refused, the relay will publish count={UNPACK_LIMIT}" in caplog.text
    publishers.close()


def test_a_client_has_as_many_connections_as_its_threads_need() -> None:
    pool = client(settings.REDIS_URL, timeout_seconds=1).connection_pool
    taken = [pool.get_connection() for _ in range(150)]
    for connection in taken:
        pool.release(connection)
    pool.disconnect()


def test_a_send_has_the_words_of_its_message(broker: LedgerBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_764_000_000.5)
    message = tasks.effect.message_with_options(args=("é",), max_retries=3)

    words = wire_message.words_of_send(broker.send_of(message))

    assert words == words_of(wire_message.for_attempt(message, 0))


@pytest.mark.once
def test_ids_of_one_time_are_uuids_that_begin_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    for seconds in (0, wire_message.ID_STEP_SECONDS):
        monkeypatch.setattr("time.time", lambda seconds=seconds: 1_764_000_000 + seconds)
        ids = [tasks.effect.message("n").message_id for _ in range(1_000)]
        assert len(set(ids)) == len(ids)
        assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).variant == uuid.RFC_4122 for one in ids)
        begun.append({one[:3] for one in ids})
    (first,), (second,) = begun
    assert int(second, 16) == int(first, 16) + 1


def test_a_project_may_encode_messages_otherwise(broker: LedgerBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    class Indented(JSONEncoder):
        def encode(self, data: MessageData) -> bytes:
            return json.dumps(data, indent=1).encode()

    monkeypatch.setattr("dramatiq.message.global_encoder", Indented())
    message = tasks.effect.message_with_options(args=("é",), max_retries=3)

    _, _, data = wire_message.words_of_send(broker.send_of(message))

    assert b"\n" in data
    assert wire_message.decode(data) == wire_message.for_attempt(message, 0).copy(
        message_timestamp=wire_message.decode(data).message_timestamp
    )


def test_a_message_that_is_twice_in_one_call_is_queued_once(publisher, broker, redis_client) -> None:
    one, other = message(1), message(2)
    publish(publisher, [one, other, one])
    assert waiting(publisher, redis_client) == ids([one, other])
