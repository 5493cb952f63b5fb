"""Messages that no worker can run become visible rows and do not harm others."""

import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.models import TaskAttempt, TaskStatus
from tests.acting import tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.fixture
def put(broker):
    """Put bytes on the default queue, as another program would do."""

    def put(wire_id: str, data: bytes) -> None:
        broker.wire.workers.hset(broker.wire.messages_key("default"), wire_id, data)
        broker.wire.workers.rpush(broker.wire.queue_key("default"), wire_id)

    return put


def test_only_the_undecodable_message_of_a_batch_is_kept_and_the_rest_runs(put, broker, request, wait_until) -> None:
    before = [tasks.add.send(n, n) for n in range(5)]
    put("odd", b"\xffno json\x00")
    after = [tasks.add.send(n, n) for n in range(5)]
    request.getfixturevalue("working")
    assert [message.get_result(block=True) for message in before + after] == [0, 2, 4, 6, 8] * 2
    kept = wait_until(lambda: TaskStatus.objects.filter(task_name="(undecodable)").first())
    assert (kept.status, kept.options["wire_id"]) == ("failed", "odd")
    assert "no json" in kept.options["data"]
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))


def test_a_message_of_another_program_is_kept_and_not_run(put, request, wait_until, ended, broker) -> None:
    foreign = {
        "queue_name": "default",
        "actor_name": "acting.add",
        "args": [1, 2],
        "kwargs": {},
        "options": {"redis_message_id": "x"},
        "message_id": str(uuid.uuid4()),
        "message_timestamp": 0,
    }
    put("x", json.dumps(foreign).encode())
    request.getfixturevalue("working")
    row = wait_until(lambda: TaskStatus.objects.first())
    assert (row.status, row.task_name, row.args) == ("failed", "acting.add", [1, 2])
    assert "another program" in row.error_message
    assert ledger.retry(row.task_id)
    assert ended(tasks.add.message(1, 2).copy(message_id=row.task_id)).result == 3


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000, b"\xff", b"", b"null", b"[]", b"{}"], ids=range(8)
)
@pytest.mark.parametrize("wire_id", ["{}:0", "{}", "{}" + "x" * 100_000])
def test_any_bytes_are_kept_as_a_row_and_the_rest_runs(put, broker, request, wait_until, ended, data, wire_id) -> None:
    put(wire_id.format(uuid.uuid4()), data)
    after = tasks.add.send(1, 2)
    request.getfixturevalue("working")
    assert ended(after).result == 3
    kept = wait_until(lambda: TaskStatus.objects.exclude(task_id=after.message_id).first())
    assert (kept.status, kept.result) == ("failed", None)
    assert len(str(kept.options)) < 10_000
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))


def test_a_message_whose_send_was_rolled_back_is_dropped(broker, request, wait_until) -> None:
    from workers.wire import message as wire_message

    message = wire_message.for_attempt(tasks.add.message(1, 2), 0)
    broker.wire.publish([message])
    request.getfixturevalue("working")
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))
    assert not TaskStatus.objects.exists()


def test_a_message_ahead_of_its_row_waits_for_the_row(broker, request, wait_until) -> None:
    from workers.wire import message as wire_message

    message = tasks.add.message(1, 2)
    ledger.record([broker.send_of(message)])
    TaskStatus.objects.update(attempt=0)
    broker.wire.publish([wire_message.for_attempt(message, 1)])
    request.getfixturevalue("working")
    key = broker.wire.messages_key("default")
    wait_until(lambda: TaskStatus.objects.filter(status="completed").exists())
    assert TaskStatus.objects.get().result == 3, "the audit published the attempt that the row is at"
    broker.wire.workers.delete(key)


def test_a_task_of_an_unknown_actor_waits_for_a_deploy_and_then_fails(broker, request, wait_until, monkeypatch) -> None:
    actor = broker.actors["acting.add"]
    young, old = tasks.add.send(1, 2), tasks.add.send(3, 4)
    hour_ago = timezone.now() - timedelta(hours=1)
    TaskStatus.objects.update(created_at=hour_ago)
    TaskStatus.objects.filter(task_id=old.message_id).update(unknown_since=hour_ago)
    monkeypatch.delitem(broker.actors, "acting.add")
    request.getfixturevalue("working")
    failed = wait_until(lambda: TaskStatus.objects.filter(task_id=old.message_id, status="failed").first())
    assert "No worker knows the actor 'acting.add'" in failed.error_message
    waiting = wait_until(lambda: TaskStatus.objects.filter(task_id=young.message_id, delayed=True).first())
    assert (waiting.status, waiting.error_message) == ("pending", failed.error_message)
    assert waiting.run_at > timezone.now()
    assert waiting.unknown_since > hour_ago, "not known since a worker first saw it, however long it waited before"
    monkeypatch.setitem(broker.actors, "acting.add", actor)
    assert ledger.retry(old.message_id)
    assert old.get_result(block=True) == 7
    assert ledger.postpone([young.message_id], delay_ms=0)
    assert young.get_result(block=True) == 3
    row = TaskStatus.objects.get(task_id=young.message_id)
    assert (row.unknown_since, row.error_message) == (None, "")


def test_arguments_that_this_version_does_not_take_wait_for_a_deploy_and_spend_no_retry(
    broker, request, wait_until, monkeypatch
) -> None:
    """Two versions of the code run at once. The message is right, and the old workers must leave it to the new ones."""
    sent = [tasks.fail_times.send(0), tasks.add.send(1, 2)]
    many = [broker.send_of(tasks.fail_times.message(0))._replace(kwargs='{"extra":"secret"}') for _ in range(3)]
    ledger.record(many)
    request.getfixturevalue("working")
    assert [one.get_result(block=True) for one in sent] == [0, 3]
    ids = [send.task_id for send in many]
    wait_until(lambda: TaskStatus.objects.filter(task_id__in=ids, status="pending", delayed=True).count() == 3)
    for row in TaskStatus.objects.filter(task_id__in=ids):
        assert (row.retries, row.crashes, row.worker_id) == (0, 0, None)
        assert "acting.fail_times(times: int) -> int cannot be called with (int, extra=str)" in row.error_message
        assert "secret" not in row.error_message
    assert not TaskAttempt.objects.exists()
    TaskStatus.objects.filter(task_id=ids[0]).update(unknown_since=timezone.now() - timedelta(hours=1))
    assert ledger.postpone(ids, delay_ms=0) == 3
    wait_until(lambda: TaskStatus.objects.filter(task_id=ids[0], status="failed").exists())
    wait_until(lambda: TaskStatus.objects.filter(task_id__in=ids[1:], status="pending", delayed=True).count() == 2)
