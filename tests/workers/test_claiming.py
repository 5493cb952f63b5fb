"""A consumer with an odd batch: each task starts once, and no message delays its neighbours."""

import contextlib
import json
import threading
from typing import Any

import pytest

from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from workers.wire import message as wire_message

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_attempts_of_one_task_in_a_batch_the_later_one_starts(order, broker, request, ended, wait_until) -> None:
    """A stopped worker requeues its message beside the message of the next attempt."""
    message = tasks.effect.message("n")
    ledger.record([broker.send_of(message)])
    TaskStatus.objects.update(attempt=1)
    broker.wire.publish([wire_message.for_attempt(message, attempt) for attempt in order])
    request.getfixturevalue("working")
    assert ended(message).status == "completed"
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))
    assert list(Effect.objects.values_list("attempt", flat=True)) == [1]


def foreign(**changes: Any) -> bytes:
    parts = {"queue_name": "default", "actor_name": "acting.add", "args": [1, 2], "kwargs": {}, "options": {}}
    return json.dumps(parts | {"message_id": "foreign", "message_timestamp": 0} | changes).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"[1]",
        b'{"a": 1}',
        foreign(options=None),
        foreign(kwargs=[1]),
        foreign(actor_name=5),
        foreign(message_id=["x"]),
        foreign(message_id="x" * 300),
        foreign(actor_name="x" * 300),
        foreign(args=["a\x00b"]),
        foreign(kwargs={"a": "\ud800"}),
    ],
    ids=range(10),
)
def test_a_message_that_no_column_can_hold_is_kept_and_delays_no_other(
    data, broker, request, ended, wait_until
) -> None:
    broker.wire.workers.hset(broker.wire.messages_key("default"), "odd", data)
    broker.wire.workers.rpush(broker.wire.queue_key("default"), "odd")
    message = tasks.add.send(1, 2)
    request.getfixturevalue("working")
    assert ended(message).result == 3
    assert TaskStatus.objects.filter(status="failed").count() == 1
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))


def test_consumers_of_two_queues_requeue_an_early_message_once(working, broker, monkeypatch) -> None:
    runtime, requeue, meet = broker.runtime, [], threading.Barrier(2)

    def slow(queue_name: str, broker_id: str, wire_ids: list[str]) -> int:
        requeue.extend(wire_ids)
        with contextlib.suppress(threading.BrokenBarrierError):
            meet.wait(0.5)
        return 1

    monkeypatch.setattr(broker.wire, "requeue", slow)
    monkeypatch.setattr("workers.process.holdings.EARLY_SECONDS", 0)
    runtime.holdings.keep_early("default", "a:1")
    errors = []

    def look() -> None:
        try:
            runtime.consumer("default", timeout_seconds=1).requeue_early()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (requeue, errors) == (["a:1"], [])
