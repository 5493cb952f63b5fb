"""Priorities: the most urgent message of the whole queue comes first, and none waits for ever."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any

import dramatiq
import pytest
from dramatiq import Worker
from dramatiq.broker import MessageProxy
from dramatiq.common import iter_queue
from dramatiq.middleware import MiddlewareError
from dramatiq.worker import _WorkQueueItem

from apps.tasks.errors import BadArgumentsError
from apps.tasks.models import TaskStatus
from tests import rows
from tests.acting import tasks
from tests.acting.models import Effect
from tests.waiting import wait_until
from workers.process.runtime import Runtime
from workers.relay import Relay
from workers.wire import message as wire_message
from workers.wire.message import wire_id_of, words_of
from workers.wire.scripts import TURN

pytestmark = pytest.mark.redis

QUEUE = "default"


class Urgency(IntEnum):
    HIGH = -5


@pytest.fixture
def publish(broker) -> Callable[[int, Iterable[int | str]], None]:
    """A function that publishes messages of one priority, each with the id `priority/number`."""

    def publish(priority: int, numbers: Iterable[int | str]) -> None:
        messages = [tasks.effect.message("n").copy(message_id=f"{priority}/{number}") for number in numbers]
        broker.wire.republish(words_of(wire_message.for_attempt(one, 0), priority=priority) for one in messages)

    return publish


@pytest.fixture
def fetch(broker) -> Callable[..., list[str]]:
    """A function that fetches messages and returns their ids."""

    def fetch(limit: int = 1) -> list[str]:
        return [wire_id.removesuffix(":0") for wire_id, _ in broker.wire.fetch(QUEUE, "me", limit=limit)]

    return fetch


def keys(broker) -> set[str]:
    """Return the keys of the queue, without those of processes."""
    found = {key.decode() for key in broker.wire.workers.keys(f"{broker.namespace}:{QUEUE}*")}
    return {key.removeprefix(f"{broker.namespace}:") for key in found}


# --- The order in which messages are handed out --------------------------------------------------


@pytest.mark.parametrize("urgent", [0, -5, -(2**31)])
@pytest.mark.parametrize("others", [{5}, {0}, {5, 7, 2**31 - 1}, {0, 5}])
def test_an_urgent_message_overtakes_all_that_wait(publish, fetch, urgent, others) -> None:
    for priority in others - {urgent}:
        publish(priority, range(1_000))
    for round in range(3 * TURN + 1):
        publish(urgent - (urgent in others), [f"urgent {round}"])
        (found,) = fetch()
        assert found.endswith(f"urgent {round}")
        for _ in range(round % 4 + 1):
            fetch()


def test_messages_of_one_level_come_in_the_order_of_their_sends(publish, fetch) -> None:
    publish(5, range(3))
    publish(-1, range(3))
    publish(0, range(3))
    publish(-1, range(3, 6))
    expected = [f"-1/{number}" for number in range(6)] + ["0/0", "0/1", "0/2", "5/0", "5/1", "5/2"]
    assert fetch(4) + fetch(4) + fetch(4) == expected
    assert fetch(4) == []


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_each_tenth_message_is_of_a_less_urgent_level_and_those_take_turns(publish, fetch, limit) -> None:
    for priority in (-3, 0, 5, 7):
        publish(priority, range(300))
    found: list[str] = []
    while len(found) < 9 * TURN:
        found += fetch(limit)
    del found[9 * TURN :]
    assert [one for one in found if not one.startswith("-3/")] == [
        f"{priority}/{number}" for number in range(3) for priority in (0, 5, 7)
    ]
    assert all(not one.startswith("-3/") for one in found[TURN - 1 :: TURN])


@pytest.mark.parametrize("arrivals", ["always one", "in bursts", "two levels in alternation", "at random"])
def test_no_message_waits_for_ever_under_a_stream_of_urgent_ones(publish, fetch, arrivals) -> None:
    """However the more urgent levels run dry and fill up again."""
    levels, chance = (-1, 0, 5, 7), random.Random(5)
    for number in range(3):
        publish(5, [f"old {number}"])
        publish(7, [f"old {number}"])
    found: list[str] = []
    # The turns of the levels, and as many messages as there are more urgent levels to delay each turn.
    most = (TURN + len(levels)) * (len(levels) - 1) * 3
    for step in range(most):
        match arrivals:
            case "always one":
                publish(0, [step])
            case "in bursts" if step % 13 == 0:
                publish(0, [f"{step} {number}" for number in range(13)])
            case "two levels in alternation":
                publish(-(step % 2), [step])
            case "at random":
                publish(chance.choice([-1, 0, 5]), [step])
        found += fetch()
    assert {one for one in found if "old" in one} == {f"{priority}/old {n}" for priority in (5, 7) for n in range(3)}
    assert Counter(one.split("/")[0] for one in found)["5"] >= 3


def test_a_lot_of_levels_is_handed_out_in_order(publish, fetch) -> None:
    priorities = list(range(-500, 500))
    random.Random(1).shuffle(priorities)
    for priority in priorities:
        publish(priority, [0])
    found: list[str] = []
    while batch := fetch(64):
        found += batch
    assert len(set(found)) == 1_000
    straight = [int(one.split("/")[0]) for index, one in enumerate(found) if (index + 1) % TURN]
    assert straight == sorted(straight)


def test_a_fetch_is_bounded_in_bytes_with_priorities_too(broker, fetch, monkeypatch) -> None:
    monkeypatch.setattr("workers.wire.queue.FETCH_BYTES", 2_000)
    messages = [tasks.effect.message("x" * 1_000).copy(message_id=f"5/{number}") for number in range(5)]
    broker.wire.republish(words_of(wire_message.for_attempt(one, 0), priority=5) for one in messages)
    assert [fetch(9) for _ in range(4)] == [["5/0", "5/1"], ["5/2", "5/3"], ["5/4"], []]


# --- Keys ----------------------------------------------------------------------------------------


def test_a_queue_of_priority_0_has_the_keys_of_before(publish, fetch, broker) -> None:
    publish(0, range(2))
    assert keys(broker) == {QUEUE, f"{QUEUE}.msgs", f"{QUEUE}.bell"}
    publish(5, range(2))
    assert keys(broker) > {f"{QUEUE}:5", f"{QUEUE}:levels", f"{QUEUE}:priorities"}
    broker.wire.ack("me", [(QUEUE, f"{one}:0") for one in fetch(3)])
    broker.wire.ack("me", [(QUEUE, f"{one}:0") for one in fetch(3)])
    publish(0, ["another"])
    assert fetch(3) == ["0/another"]
    assert keys(broker) == {f"{QUEUE}.msgs"}


def test_a_queue_that_is_forgotten_leaves_nothing(publish, fetch, broker) -> None:
    for priority in (-1, 0, 5):
        publish(priority, range(20))
    fetch(12)
    broker.wire.forget(QUEUE)
    assert keys(broker) == set()


def test_an_idle_consumer_is_woken_by_any_priority(publish, broker) -> None:
    publish(5, range(3))
    for number in range(3):
        found = broker.wire.wait_and_fetch(QUEUE, "me", limit=1, timeout_seconds=60)
        assert [wire_id for wire_id, _ in found] == [f"5/{number}:0"]
    assert not broker.wire.workers.exists(broker.wire.bell_key(QUEUE))


@pytest.mark.parametrize("how", ["all", "these"])
def test_fetched_messages_return_to_the_head_of_their_level(publish, fetch, broker, how) -> None:
    for priority in (5, 0, -1):
        publish(priority, range(3))
    fetched = fetch(8)
    assert fetched == ["-1/0", "-1/1", "-1/2", "0/0", "0/1", "0/2", "5/0", "5/1"]
    if how == "all":
        broker.wire.requeue(QUEUE, "me")
        assert sorted(fetch(9)) == sorted([*fetched, "5/2"])
    else:
        broker.wire.requeue(QUEUE, "me", [f"{one}:0" for one in reversed(fetched)])
        assert fetch(9) == [*fetched, "5/2"]


def test_a_message_that_takes_the_place_of_another_has_its_priority(publish, fetch, broker) -> None:
    for priority in (0, 5):
        publish(priority, range(2))
    fetched = fetch(3)
    new = {f"{one}:0": wire_message.for_attempt(tasks.effect.message("n").copy(message_id=one), 1) for one in fetched}
    broker.wire.requeue_as(QUEUE, "me", new)
    found = [wire_id for wire_id, _ in broker.wire.fetch(QUEUE, "me", limit=9)]
    assert found == ["0/0:1", "0/1:1", "5/0:1", "5/1:0"]
    broker.wire.ack("me", [(QUEUE, wire_id) for wire_id in found])
    assert keys(broker) <= {f"{QUEUE}:levels", f"{QUEUE}:turn"}


def test_a_message_whose_priority_redis_lost_is_requeued(publish, fetch, broker) -> None:
    publish(5, range(2))
    fetch(1)
    broker.wire.workers.delete(broker.wire.priorities_key(QUEUE))
    broker.wire.requeue(QUEUE, "me")
    assert fetch(9) == ["5/0", "5/1"]


@pytest.mark.parametrize("member", [{"odd": 1.5}, {"odd": float("inf")}, {"3": 3}, {"0": 0}, {"another": 5}])
def test_odd_levels_are_forgotten(publish, fetch, broker, member) -> None:
    publish(5, range(2))
    publish(0, range(2))
    broker.wire.workers.zadd(broker.wire.levels_key(QUEUE), member)
    broker.wire.contents.count(QUEUE, [])
    assert fetch(9) == ["0/0", "0/1", "5/0", "5/1"]
    assert not broker.wire.workers.exists(broker.wire.levels_key(QUEUE))


# --- The priority of a send ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_send_has_its_own_priority_or_its_actors(broker) -> None:
    plain = tasks.effect.send_with_options(args=("n",), priority=5)
    negative = tasks.effect.send_with_options(args=("n",), priority=Urgency.HIGH)
    unset = tasks.effect.send_with_options(args=("n",), priority=None)
    found = [TaskStatus.objects.get(task_id=message.message_id) for message in (plain, negative, unset)]
    assert [(row.priority, row.options) for row in found] == [(5, {}), (-5, {}), (0, {})]
    fetched = [wire_id for wire_id, _ in broker.wire.fetch(QUEUE, "me", limit=9)]
    assert fetched == [wire_id_of(message.message_id, 0) for message in (negative, unset, plain)]


@pytest.mark.django_db(transaction=True)
def test_the_priority_of_an_actor_counts_and_a_send_overrides_it(broker, declare) -> None:
    def urgent() -> None:
        pass

    actor = declare(urgent, priority=-7)
    sent = [actor.send(), actor.send_with_options(priority=0), *broker.send_many([actor.message()])]
    assert [TaskStatus.objects.get(task_id=one.message_id).priority for one in sent] == [-7, 0, -7]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wrong", ["5", 1.5, True, 2**31, -(2**31) - 1, [1], object()])
def test_a_wrong_priority_is_refused_and_leaves_nothing(broker, wrong) -> None:
    def said(send: Callable[[], object]) -> str:
        with pytest.raises(BadArgumentsError) as raised:
            send()
        return str(raised.value)

    first, second = tasks.say.message(1), tasks.say.message_with_options(args=(2,), priority=wrong)
    limits = "must be a whole number from -2,147,483,648 to 2,147,483,647 (lower is more urgent)"
    assert limits in said(lambda: tasks.say.send_with_options(args=(1,), priority=wrong))
    assert limits in said(lambda: broker.send_many([first, second]))
    assert "'priority'" in (refused := said((first | second).run)) or limits in refused
    assert not TaskStatus.objects.exists()
    assert keys(broker) == set()


@pytest.mark.parametrize("wrong", ["5", 1.5, True, 2**31, None])
def test_a_wrong_priority_of_an_actor_is_refused_where_it_is_declared(broker, wrong) -> None:
    with pytest.raises(MiddlewareError, match=r"the priority of acting\.misfit is .*, must be a whole number from"):
        dramatiq.actor(actor_name="acting.misfit", priority=wrong)(lambda: None)
    assert "acting.misfit" not in broker.actors


# --- The relay -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_relay_publishes_lost_and_delayed_tasks_with_their_priority(broker, redis_client) -> None:
    sent = [tasks.effect.send_with_options(args=("n",), priority=priority) for priority in (5, 0, -5)]
    late = tasks.effect.send_with_options(args=("n",), priority=-9, delay=1)
    redis_client.flushdb()
    relay = Relay(broker)
    assert relay.audit() == 3
    TaskStatus.objects.filter(task_id=late.message_id).update(
        run_at=TaskStatus.objects.earliest("created_at").created_at
    )
    assert relay.publish_due() == 1
    fetched = [wire_id for wire_id, _ in broker.wire.fetch(QUEUE, "me", limit=9)]
    assert fetched == [wire_id_of(message.message_id, 0) for message in (late, *reversed(sent))]


@pytest.mark.django_db(transaction=True)
def test_a_moved_task_keeps_its_priority_and_its_old_queue_is_left_empty(broker) -> None:
    task = rows.task(task_name="acting.effect", queue_name="old-name", args=["n"], priority=5)
    broker.wire.republish([wire_message.words_of_row(task)])
    Relay(broker).audit()
    assert broker.wire.workers.lrange(broker.wire.level_key(QUEUE, 5), 0, -1) == [f"{task.task_id}:0".encode()]
    assert not broker.wire.workers.keys(f"{broker.wire.queue_key('old-name')}*")


@pytest.mark.django_db(transaction=True)
def test_a_retry_keeps_the_priority(broker, working, ended, declare) -> None:
    seen: list[int] = []

    def flaky() -> None:
        seen.append(1)
        if len(seen) < 3:
            raise RuntimeError("again")

    actor = declare(flaky, max_retries=3, min_backoff=10, max_backoff=10)
    row = ended(actor.send_with_options(priority=-3))
    assert (row.status, row.attempt, row.priority) == ("completed", 2, -3)


# --- Workers -------------------------------------------------------------------------------------


def test_a_process_runs_messages_in_the_order_in_which_it_got_them(broker) -> None:
    """Dramatiq's own queue sorts by the priority of actors. A less urgent one would wait for ever behind others."""
    worker = Worker(broker, worker_threads=1)
    Runtime(worker, wire=broker.wire, actors=broker.actors, queues=broker.get_declared_queues)
    messages: list[Any] = [MessageProxy(tasks.effect.message(f"{number}")) for number in range(4)]
    for priority, message in zip((5, 0, 5, -5), messages, strict=True):
        worker.work_queue.put(_WorkQueueItem(priority, message))
    assert [item.message for item in iter_queue(worker.work_queue)] == messages


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("urgent", "waiting"), [(0, 5), (-5, 0)])
def test_an_urgent_task_starts_as_soon_as_a_thread_is_free(broker, working, gate, ended, urgent, waiting) -> None:
    long = [gate.send(f"long {number}") for number in range(working.worker_threads)]
    for message in long:
        wait_until(TaskStatus.objects.filter(task_id=message.message_id, started_at__isnull=False).exists)
    broker.send_many([tasks.effect.message_with_options(args=(f"{n}",), priority=waiting) for n in range(200)])
    message = tasks.effect.send_with_options(args=("urgent",), priority=urgent)
    gate.open()
    ended(message)
    before = Effect.objects.filter(pk__lt=Effect.objects.get(nonce="urgent").pk).count()
    # Those that the other threads began at the same time.
    assert before - len(long) < 2 * working.worker_threads
    wait_until(lambda: not TaskStatus.objects.unfinished().exists())


@pytest.mark.django_db(transaction=True)
def test_a_worker_comes_to_tasks_of_every_priority_under_a_stream_of_urgent_ones(broker, working, declare) -> None:
    is_over = threading.Event()

    def follow() -> None:
        if not is_over.is_set():
            broker.send_many([actor.message()])

    actor = declare(follow, priority=-1)
    try:
        broker.send_many([actor.message() for _ in range(100)])
        late = [tasks.effect.send_with_options(args=("late",), priority=priority) for priority in (0, 5, 7) * 3]
        done = TaskStatus.objects.finished().filter(task_id__in=[message.message_id for message in late])
        wait_until(lambda: done.count() == len(late))
    finally:
        is_over.set()
        wait_until(lambda: not TaskStatus.objects.unfinished().exists())
