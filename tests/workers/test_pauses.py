"""Pauses in running workers: what waits, what goes on, and that all of it runs in order after the resume."""

import time
import uuid
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from dramatiq.middleware import CurrentMessage

from apps.tasks import ledger, pauses, states
from apps.tasks.models import TaskStatus
from tests import rows
from tests.acting import tasks
from tests.acting.models import Effect
from tests.waiting import wait_until
from workers.relay import Relay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]

#: Threads of the worker in the test's process.
THREADS = 4
QUEUE = "slow"
ACTOR = "acting.slow_effect"


@pytest.fixture(params=[pauses.QUEUE, pauses.ACTOR])
def kind(request: pytest.FixtureRequest) -> str:
    """A pause of the queue, and one of the actor."""
    return str(request.param)


def pause(broker: Any, kind: str) -> None:
    """Pause the queue or the actor, and wait until the worker of this process knows it."""
    name = QUEUE if kind == pauses.QUEUE else ACTOR
    pauses.pause(kind, name, by="jane")
    wait_until(lambda: name in broker.runtime.holdings.paused.queues | broker.runtime.holdings.paused.actors)


def resume(kind: str) -> None:
    pauses.resume(kind, QUEUE if kind == pauses.QUEUE else ACTOR)


def messages_in_redis(broker: Any) -> int:
    return int(broker.wire.contents.count(QUEUE, []).messages)


def rows_of(messages: list[dramatiq.Message[Any]]) -> list[TaskStatus]:
    found = TaskStatus.objects.in_bulk([message.message_id for message in messages], field_name="task_id")
    return [found[message.message_id] for message in messages]


def are_waiting(messages: list[dramatiq.Message[Any]]) -> bool:
    return all(row.status == states.PENDING for row in rows_of(messages))


def test_tasks_wait_in_a_pause_and_run_in_order_after_it(working, broker, kind: str, ended) -> None:
    pause(broker, kind)
    sent = [tasks.slow_effect.send(f"{number}", 0) for number in range(30)]
    # A task of another queue shows that the worker goes on.
    ended(tasks.effect.send("other"))
    assert are_waiting(sent)
    if kind == pauses.ACTOR:
        wait_until(lambda: all(row.in_line for row in rows_of(sent)))
    resume(kind)
    for message in sent:
        assert ended(message).attempt == 0
    began = [
        int(nonce) for nonce in Effect.objects.exclude(nonce="other").order_by("pk").values_list("nonce", flat=True)
    ]
    # Threads that run side by side may pass each other.
    assert all(abs(number - place) <= 2 * THREADS for place, number in enumerate(began)), began


def test_a_running_task_goes_on_and_what_waits_is_released(working, broker, gate, kind: str, ended) -> None:
    for _ in range(100):
        broker.runtime.holdings.prefetch.ran(0.001)
    long = [gate.message(f"long {number}") for number in range(3)]
    broker.send_many(long)
    wait_until(lambda: len(broker.runtime.holdings.running()) == 3)
    blocked = gate.send("one more")
    wait_until(lambda: len(broker.runtime.holdings.running()) == 4)
    waiting = [tasks.slow_effect.send(f"short {number}", 0) for number in range(10)]
    pause(broker, kind)
    gate.open()
    for message in (*long, blocked):
        ended(message)
    wait_until(lambda: not broker.runtime.holdings.held)
    assert are_waiting(waiting)
    assert all(row.retries == 0 and row.crashes == 0 for row in rows_of(waiting))
    resume(kind)
    for message in waiting:
        ended(message)
    assert Effect.objects.filter(nonce__startswith="short").count() == 10


def test_tasks_of_a_paused_actor_hold_up_no_others_and_leave_redis(working, broker, ended) -> None:
    pause(broker, pauses.ACTOR)
    held = [tasks.slow_effect.send(f"{number}", 0) for number in range(20)]
    others = [tasks.wait_at.send("/", f"other {number}") for number in range(5)]
    for message in others:
        ended(message)
    wait_until(lambda: all(row.in_line for row in rows_of(held)))
    wait_until(lambda: messages_in_redis(broker) == 0)
    # Nothing publishes them again.
    assert Relay(broker).audit() == Relay(broker).publish_due() == Relay(broker).admit() == 0
    assert messages_in_redis(broker) == 0
    assert are_waiting(held)
    assert {row.attempt for row in rows_of(held)} == {0}


def test_a_delayed_and_a_retried_task_wait_for_the_end_of_a_pause(working, broker, declare, kind: str, ended) -> None:
    failing = declare(fail_at_first, queue_name=QUEUE, max_retries=3, min_backoff=1, max_backoff=2)
    names = {pauses.QUEUE: QUEUE, pauses.ACTOR: failing.actor_name}
    retried = failing.send()
    wait_until(lambda: TaskStatus.objects.filter(task_id=retried.message_id, retries=1).exists())
    pauses.pause(kind, names[kind])
    wait_until(lambda: bool(broker.runtime.holdings.paused))
    delayed = failing.send_with_options(delay=1)
    ended(tasks.effect.send("other"))
    wait_until(lambda: not TaskStatus.objects.unfinished().filter(delayed=True).exists())
    assert not TaskStatus.objects.get(task_id=delayed.message_id).is_finished
    pauses.resume(kind, names[kind])
    ended(delayed)
    ended(retried)


def fail_at_first() -> None:
    message = CurrentMessage.get_current_message()
    assert message is not None
    if not message.options.get("retries"):
        raise RuntimeError("first")


def test_nothing_is_lost_with_redis_in_a_pause(working, broker, kind: str, ended, redis_client) -> None:
    pause(broker, kind)
    sent = [tasks.slow_effect.send(f"{number}", 0) for number in range(10)]
    ended(tasks.effect.send("other"))
    redis_client.flushdb()
    # The relay publishes what was lost. That it runs shows that it saw the new Redis.
    ended(tasks.effect.send("after"))
    assert are_waiting(sent)
    resume(kind)
    for message in sent:
        ended(message)
    assert Effect.objects.filter(nonce__in=[str(number) for number in range(10)]).count() == 10


def test_a_pause_is_noticed_without_a_call(working, broker, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker.wire, "call", lambda broker_ids: None)
    began = time.monotonic()
    pause(broker, kind)
    assert time.monotonic() - began < 20


def test_a_worker_that_starts_in_a_pause_runs_nothing_of_it(broker, booted, kind: str, request) -> None:
    pauses.pause(kind, QUEUE if kind == pauses.QUEUE else ACTOR)
    sent = [tasks.slow_effect.send(f"{number}", 0) for number in range(5)]
    other = tasks.effect.send("other")
    request.getfixturevalue("working")
    request.getfixturevalue("ended")(other)
    assert are_waiting(sent)
    resume(kind)
    for message in sent:
        request.getfixturevalue("ended")(message)


def test_a_limited_task_of_a_paused_actor_gives_its_place_back(working, broker, declare, ended) -> None:
    limited = declare(run_limited, queue_name=QUEUE, concurrency=1, max_retries=0)
    sent = [limited.send(str(number)) for number in range(3)]
    for message in sent:
        ended(message)
    pauses.pause(pauses.ACTOR, limited.actor_name)
    wait_until(lambda: bool(broker.runtime.holdings.paused))
    waiting = [limited.send(str(number)) for number in range(3)]
    placed = TaskStatus.objects.with_place().filter(task_name=limited.actor_name)
    # A relay may give a place until it knows of the pause. A worker gives it back.
    wait_until(lambda: all(row.in_line for row in rows_of(waiting)) and not placed.exists())
    pauses.resume(pauses.ACTOR, limited.actor_name)
    for message in waiting:
        ended(message)


def run_limited(nonce: str) -> str:
    return nonce


def test_unique_fair_and_async_tasks_wait_and_run(working, broker, declare, ended) -> None:
    actors = [
        declare(run_limited, queue_name=QUEUE, unique=True),
        declare(run_fair, queue_name=QUEUE, fair_by=lambda nonce: nonce, concurrency=2),
        declare(run_async, queue_name=QUEUE),
    ]
    for actor in actors:
        pauses.pause(pauses.ACTOR, actor.actor_name)
    wait_until(lambda: len(broker.runtime.holdings.paused.actors) == 3)
    sent = [actor.send(str(number)) for actor in actors for number in range(2)]
    assert actors[0].send("0").message_id == sent[0].message_id
    wait_until(lambda: all(row.in_line for row in rows_of(sent)))
    for actor in actors:
        pauses.resume(pauses.ACTOR, actor.actor_name)
    for message in sent:
        ended(message)


def run_fair(nonce: str) -> str:
    return nonce


async def run_async(nonce: str) -> str:
    return nonce


def test_a_suspect_waits_too(working, broker, kind: str, ended) -> None:
    pause(broker, kind)
    message = tasks.slow_effect.send("suspect", 0)
    TaskStatus.objects.filter(task_id=message.message_id).update(crashes=1)
    ended(tasks.effect.send("other"))
    assert are_waiting([message])
    resume(kind)
    assert ended(message).crashes == 1


def test_what_expires_in_a_pause_fails(working, broker, kind: str, ended) -> None:
    pause(broker, kind)
    message = tasks.slow_effect.send_with_options(args=("late", 0), max_age=50)
    found = ended(message)
    assert (found.status, found.error_message) == (states.FAILED, "It was not started before it expired.")


# --- Rows of paused actors -------------------------------------------------------------------------


def test_only_the_named_attempts_of_the_named_actors_are_set_aside(broker) -> None:
    rows_made = [
        rows.task(ACTOR),
        rows.task(ACTOR, attempt=2),
        rows.task("acting.effect"),
        rows.task(ACTOR, run_at=timezone.now() + timedelta(hours=1), delayed=True),
        rows.task(ACTOR, status="processing"),
        rows.task(ACTOR),
    ]
    named = [(row.task_id, 0) for row in rows_made[:-1]]
    assert ledger.set_aside(named, task_names={ACTOR}) == 1
    found = [TaskStatus.objects.get(pk=row.pk).in_line for row in rows_made]
    assert found == [True, False, False, False, False, False]
    assert [row.pk for row in ledger.take_back(ACTOR)] == [rows_made[0].pk]
    assert ledger.take_back(ACTOR) == []


def test_tasks_are_taken_back_in_the_order_of_their_urgency(broker) -> None:
    made = [rows.task(ACTOR, priority=priority, in_line=True) for priority in (5, 0, 5, 0)]
    limited = rows.task(ACTOR, in_line=True, line="")
    assert [row.pk for row in ledger.take_back(ACTOR)] == [made[place].pk for place in (1, 3, 0, 2)]
    limited.refresh_from_db()
    assert limited.in_line


def test_a_claim_refuses_what_is_set_aside(broker) -> None:
    task = rows.task(ACTOR, in_line=True)
    held, refusals = ledger.claim([(task.task_id, 0)], claim_id=uuid.uuid4(), worker_id=uuid.uuid4())
    assert not held
    assert not any(refusal.early or refusal.suspect or refusal.missing for refusal in refusals)


def test_more_than_a_page_is_taken_back_at_once(broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.tasks.ledger.aside.ASIDE_PAGE", 2)
    monkeypatch.setattr("apps.tasks.ledger.ASIDE_PAGE", 2)
    for _ in range(5):
        rows.task(ACTOR, in_line=True)
    assert Relay(broker).admit() == 5


def test_a_relay_reads_no_pauses_while_no_task_waits_in_line(broker) -> None:
    relay = Relay(broker)
    relay.admit()
    with CaptureQueriesContext(connection) as queries:
        relay.admit()
    assert not any("tasks_pause" in query["sql"] for query in queries)


def test_without_a_pause_of_an_actor_a_claim_is_one_statement_as_ever(
    working, broker, ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    monkeypatch.setattr(ledger, "set_aside", lambda *args, **kwargs: found.append("asked"))
    pause(broker, pauses.QUEUE)
    ended(tasks.effect.send("n"))
    assert found == []
