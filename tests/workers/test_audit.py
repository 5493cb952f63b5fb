"""The audit: whatever part of its data Redis loses, each task runs once."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from apps.tasks import presence
from apps.tasks.models import TaskStatus, WorkerProcess
from tests.acting import tasks
from tests.acting.models import Effect
from tests.rows import worker_process
from tests.waiting import wait_until
from workers import audit, relay
from workers.relay import Relay
from workers.wire.message import wire_id_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]

QUEUE = "default"


@pytest.fixture
def auditor(broker) -> Relay:
    """A relay that has made its first audit, which looks for orphans in any case."""
    found = Relay(broker)
    found.audit()
    return found


@pytest.fixture
def waiting(broker) -> Callable[[], list[str]]:
    """A function that returns the wire ids that a worker would get."""

    def read() -> list[str]:
        fetched = broker.wire.fetch(QUEUE, worker_process().broker_id, limit=500)
        return sorted(wire_id for wire_id, _ in fetched)

    return read


def sent(number: int) -> list[str]:
    return sorted(wire_id_of(tasks.effect.send(str(one)).message_id, 0) for one in range(number))


def lose_the_list(wire) -> None:
    wire.workers.delete(wire.queue_key(QUEUE))


def lose_the_hash(wire) -> None:
    wire.workers.delete(wire.messages_key(QUEUE))


def lose_an_entry(wire) -> None:
    wire.workers.lpop(wire.queue_key(QUEUE))


def lose_a_field(wire) -> None:
    wire.workers.hdel(wire.messages_key(QUEUE), wire.workers.lindex(wire.queue_key(QUEUE), 1))


def lose_an_entry_and_another_ones_field(wire) -> None:
    """Leave as many entries as fields."""
    lose_a_field(wire)
    lose_an_entry(wire)


def damage_the_list(wire) -> None:
    wire.workers.set(wire.queue_key(QUEUE), "not a list")


def damage_the_hash(wire) -> None:
    wire.workers.set(wire.messages_key(QUEUE), "not a hash")


def damage_the_bell(wire) -> None:
    wire.workers.set(wire.bell_key(QUEUE), "not a list")


@pytest.mark.parametrize(
    "damage",
    [
        lose_the_list,
        lose_the_hash,
        lose_an_entry,
        lose_a_field,
        lose_an_entry_and_another_ones_field,
        damage_the_list,
        damage_the_hash,
        damage_the_bell,
    ],
)
def test_two_audits_bring_back_what_redis_lost(broker, auditor, waiting, damage) -> None:
    expected = sent(4)
    damage(broker.wire)
    auditor.audit()
    auditor.audit()
    assert sorted(set(waiting())) == expected


LEVEL_DAMAGES: dict[str, Callable[[Any], object]] = {
    "no set of levels": lambda wire: wire.workers.delete(wire.levels_key(QUEUE)),
    "no level in the set": lambda wire: wire.workers.zrem(wire.levels_key(QUEUE), "5"),
    "no 0 in the set": lambda wire: wire.workers.zrem(wire.levels_key(QUEUE), "0"),
    "no list": lambda wire: wire.workers.delete(wire.level_key(QUEUE, 5)),
    "no list of 0": lambda wire: wire.workers.delete(wire.queue_key(QUEUE)),
    "no entry": lambda wire: wire.workers.lpop(wire.level_key(QUEUE, -5)),
    "no message": lambda wire: wire.workers.hdel(
        wire.messages_key(QUEUE), wire.workers.lindex(wire.level_key(QUEUE, 5), 1)
    ),
    "no messages": lambda wire: wire.workers.delete(wire.messages_key(QUEUE)),
    "no priorities": lambda wire: wire.workers.delete(wire.priorities_key(QUEUE)),
    "no turn": lambda wire: wire.workers.delete(f"{wire.queue_key(QUEUE)}:turn"),
    "another type of list": lambda wire: wire.workers.set(wire.level_key(QUEUE, 5), "not a list"),
    "another type of set": lambda wire: wire.workers.set(wire.levels_key(QUEUE), "not a set"),
    "another type of hash": lambda wire: wire.workers.set(wire.priorities_key(QUEUE), "not a hash"),
    "another type of turn": lambda wire: overwrite_with_a_list(wire, f"{wire.queue_key(QUEUE)}:turn"),
    "odd turn": lambda wire: wire.workers.set(f"{wire.queue_key(QUEUE)}:turn", "neither a number"),
}


def overwrite_with_a_list(wire, key: str) -> None:
    wire.workers.delete(key)
    wire.workers.rpush(key, "not a text")


@pytest.mark.parametrize("damage", LEVEL_DAMAGES.values(), ids=LEVEL_DAMAGES)
def test_two_audits_bring_back_what_redis_lost_of_any_priority(broker, auditor, waiting, damage) -> None:
    expected = [
        wire_id_of(tasks.effect.send_with_options(args=("n",), priority=priority).message_id, 0)
        for priority in (5, 0, -5, 5, 0, -5, 5, 0, -5)
    ]
    # From now on there are a turn and a 0 in the set.
    broker.wire.requeue(QUEUE, "me", [wire_id for wire_id, _ in broker.wire.fetch(QUEUE, "me", limit=1)])
    damage(broker.wire)
    auditor.audit()
    auditor.audit()
    tasks.effect.send_with_options(args=("n",), priority=7)
    expected.append(wire_id_of(TaskStatus.objects.get(priority=7).task_id, 0))
    assert sorted(set(waiting())) == sorted(expected)


def test_an_audit_forgets_the_priorities_of_messages_that_another_version_acked(broker, auditor) -> None:
    tasks.effect.send_with_options(args=("n",), priority=5)
    [(wire_id, _)] = broker.wire.fetch(QUEUE, worker_process().broker_id, limit=9)
    broker.wire.workers.hdel(broker.wire.messages_key(QUEUE), wire_id)
    TaskStatus.objects.all().delete()
    auditor.audit()
    assert not broker.wire.workers.exists(broker.wire.priorities_key(QUEUE))


def test_a_task_that_another_version_published_once_more_runs_once(broker, working, ended) -> None:
    """A relay of a version without priorities takes the messages of other levels for lost ones."""
    broker.runtime.stopping.set()
    sent = [tasks.effect.send_with_options(args=(f"{number}",), priority=5) for number in range(9)]
    for message in sent:
        broker.wire.workers.rpush(broker.wire.queue_key(QUEUE), wire_id_of(message.message_id, 0))
    broker.runtime.stopping.clear()
    for message in sent:
        assert ended(message).status == "completed"
    assert Effect.objects.count() == len(sent)


def test_a_message_that_only_a_dead_or_unknown_process_fetched_waits_again(broker, auditor, waiting) -> None:
    expected = sent(3)
    dead = worker_process()
    broker.wire.fetch(QUEUE, dead.broker_id, limit=1)
    presence.stop(dead.pk)
    broker.wire.fetch(QUEUE, "a process without a row", limit=1)
    assert auditor.audit() == 2
    assert waiting() == expected


def test_a_message_whose_acks_redis_lost_waits_again(broker, auditor, waiting) -> None:
    expected = sent(2)
    worker = worker_process()
    broker.wire.fetch(QUEUE, worker.broker_id, limit=1)
    broker.wire.workers.delete(broker.wire.acks_key(QUEUE, worker.broker_id))
    assert auditor.audit() == 1
    assert waiting() == expected


def test_foreign_entries_do_not_hide_a_lost_one_for_long(broker, auditor, waiting, monkeypatch) -> None:
    expected = sent(3)
    lose_an_entry(broker.wire)
    broker.wire.workers.rpush(broker.wire.queue_key(QUEUE), "foreign")
    assert auditor.audit() == 0
    monkeypatch.setattr(audit, "THOROUGH_SECONDS", 0)
    monkeypatch.setattr(audit, "THOROUGH_REST", 0)
    Relay(broker).audit()
    assert waiting() == expected


def test_messages_of_finished_tasks_are_deleted(broker, auditor) -> None:
    broker.wire.workers.hset(broker.wire.messages_key(QUEUE), "finished:0", "{}")
    assert auditor.audit() == 0
    assert not broker.wire.workers.exists(broker.wire.messages_key(QUEUE))


def test_the_list_is_not_read_while_the_numbers_agree(broker, auditor, monkeypatch) -> None:
    sent(3)
    monkeypatch.setattr(broker.wire.contents, "orphans", lambda *_: pytest.fail("it was read"))
    assert auditor.audit() == 0


def test_what_moves_while_the_list_is_read_is_no_orphan(broker, auditor, monkeypatch) -> None:
    expected = sent(3)
    worker = worker_process()
    real = broker.wire.contents.orphans
    found = []

    def orphans(queue_name, broker_ids):
        found.append(real(queue_name, broker_ids))
        if len(found) == 1:
            found[0] |= {expected[0].encode()}
        return found[-1]

    monkeypatch.setattr(broker.wire.contents, "orphans", orphans)
    broker.wire.workers.sadd(broker.wire.acks_key(QUEUE, worker.broker_id), "away")
    broker.wire.workers.hset(broker.wire.messages_key(QUEUE), "orphan", "{}")
    broker.wire.workers.hset(broker.wire.messages_key(QUEUE), "second", "{}")
    auditor.audit()
    assert [len(one) for one in found] == [3, 2]
    assert broker.wire.workers.hlen(broker.wire.messages_key(QUEUE)) == 3


def test_an_epoch_of_another_type_is_replaced(broker, redis_client) -> None:
    redis_client.lpush(f"{broker.namespace}:__epoch__", "not a text")
    passing = Relay(broker)
    assert passing.is_new_redis()
    assert not passing.is_new_redis()


@pytest.mark.parametrize("seed", range(3))
def test_random_parts_of_redis_are_lost_while_tasks_wait_and_run(broker, working, monkeypatch, seed) -> None:
    monkeypatch.setattr(relay, "AUDIT_SECONDS", 0.1)
    monkeypatch.setattr(relay, "AUDIT_REST", 0)
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.05)
    chance = random.Random(seed)
    wire = broker.wire
    nonces = [f"{seed}-{number}" for number in range(150)]
    for start in range(0, len(nonces), 10):
        broker.send_many([
            tasks.effect.message_with_options(args=(nonce,), priority=chance.choice([0, 0, 5, -5]))
            for nonce in nonces[start : start + 10]
        ])  # fmt: skip
        for key in chance.sample(sorted(wire.workers.keys(f"{broker.namespace}:*")), k=1):
            spoil(wire.workers, key, chance)
    wait_until(lambda: not TaskStatus.objects.unfinished().exists(), explain=lambda: list(
        TaskStatus.objects.unfinished().values("task_id", "status", "attempt", "run_at")
    ))  # fmt: skip
    assert sorted(Effect.objects.values_list("nonce", flat=True)) == sorted(nonces)
    assert set(TaskStatus.objects.values_list("status", flat=True)) == {"completed"}


def spoil(client, key: bytes, chance: random.Random) -> None:
    """Delete a key, or a random part of it."""
    kind = client.type(key)
    if kind == b"hash" and chance.random() < 0.7:
        client.hdel(key, *chance.sample(sorted(client.hkeys(key)) or [b"-"], k=1))
    elif kind == b"list" and chance.random() < 0.7:
        client.ltrim(key, chance.randrange(3), -1)
    elif kind == b"zset" and chance.random() < 0.7:
        client.zremrangebyrank(key, 0, 0)
    elif kind == b"set" and chance.random() < 0.7:
        client.spop(key)
    elif chance.random() < 0.3:
        client.set(key, "damaged")
    else:
        client.delete(key)


def test_what_a_process_that_is_no_worker_fetched_waits_again(broker, auditor, waiting) -> None:
    """A relay has a row, too. It fetches nothing."""
    expected = sent(1)
    found = worker_process(kind=WorkerProcess.KIND_RELAY)
    broker.wire.fetch(QUEUE, found.broker_id, limit=1)
    assert auditor.audit() == 1
    assert waiting() == expected
