"""Pauses in running workers: what waits, what goes on, and that all of it runs in order after the resume."""

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest

from apps.tasks import ledger, pauses, states
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]

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
    resume(kind)
    for message in sent:
        assert ended(message).attempt == 0
    started = [row.pk for row in sorted(rows_of(sent), key=lambda row: (row.started_at, row.pk))]
    assert abs(started.index(rows_of(sent)[0].pk)) < 8, "threads run side by side, batches come in order"


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
