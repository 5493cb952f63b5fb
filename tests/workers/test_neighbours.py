"""Two databases behind one namespace: a message reaches the worker that has its row."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from dramatiq import Message

from apps.tasks.models import TaskStatus
from tests.acting import tasks
from workers import neighbours
from workers.wire.message import for_attempt, words_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]

STRANGER = "0d7c2b0e-6a53-4d0b-8b0a-0f6f2f1d9c55 staging-1:4121"


@pytest.fixture
def shared(broker) -> None:
    """Another database uses the namespace."""
    broker.wire.processes(add=[STRANGER])


@pytest.fixture
def requeued(monkeypatch) -> list[str]:
    """The wire ids that workers requeue because another database may have their rows."""
    found: list[str] = []
    may_have = neighbours.Neighbours.may_have

    def spy(self: neighbours.Neighbours, wire_id: str) -> bool:
        answer = may_have(self, wire_id)
        if answer:
            found.append(wire_id)
        return answer

    monkeypatch.setattr(neighbours.Neighbours, "may_have", spy)
    return found


def without_row() -> Message[Any]:
    return for_attempt(tasks.add.message(1, 2).copy(message_id=str(uuid.uuid4())), 0)


def test_a_message_of_another_database_reaches_its_waiting_worker(broker, shared, request) -> None:
    request.getfixturevalue("working")
    message = without_row()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(broker.wire.wait_and_fetch, "default", "other", limit=8, timeout_seconds=4.0)
        broker.wire.republish([words_of(message)])
        [(wire_id, _)] = other.result()
    assert wire_id == message.options["redis_message_id"]


def test_a_message_that_nobody_has_a_row_of_is_requeued_once_and_dropped(
    broker, shared, requeued, working, wait_until, caplog
) -> None:
    message = without_row()
    broker.wire.republish([words_of(message)])
    wait_until(lambda: "message dropped, it has no row" in caplog.text)
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))
    assert requeued == [message.options["redis_message_id"]]
    broker.wire.republish([words_of(message)])
    wait_until(lambda: caplog.text.count("message dropped, it has no row") == 2)
    assert requeued == [message.options["redis_message_id"]] * 2


def test_a_message_without_a_row_is_dropped_at_once_if_no_other_database_is_there(
    broker, requeued, working, wait_until, caplog
) -> None:
    broker.wire.republish([words_of(without_row())])
    wait_until(lambda: "message dropped, it has no row" in caplog.text)
    assert requeued == []


def test_a_message_of_another_program_is_kept_although_another_database_is_there(
    broker, shared, requeued, working, wait_until
) -> None:
    broker.wire.workers.hset(broker.wire.messages_key("default"), "x:0", b"no message")
    broker.wire.workers.rpush(broker.wire.queue_key("default"), "x:0")
    wait_until(lambda: TaskStatus.objects.filter(task_name="(undecodable)").exists())
    assert requeued == []


def test_own_tasks_run_between_many_messages_of_another_database(broker, shared, request, ended) -> None:
    broker.wire.republish([words_of(without_row()) for _ in range(60)])
    own = tasks.add.send(1, 2)
    broker.wire.republish([words_of(without_row()) for _ in range(60)])
    request.getfixturevalue("working")
    assert ended(own).result == 3


def test_a_consumer_remembers_a_bounded_number_of_messages(broker, shared, monkeypatch) -> None:
    monkeypatch.setattr(neighbours, "REMEMBERED", 2)
    one = neighbours.Neighbours(broker.wire)
    assert [one.may_have(f"{name}:0") for name in "abc"] == [True] * 3
    assert [one.may_have(f"{name}:0") for name in "cba"] == [False, False, True]
