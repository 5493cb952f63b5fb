"""The row says what runs. A message in Redis that says otherwise is shown, and harms nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.tasks.failures import cause_of
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from workers.broker import LedgerBroker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]

Alter = Callable[[dict[str, Any]], object]
DEEP = b"[" * 10_000 + b"]" * 10_000


def options(**values: Any) -> Alter:
    return lambda message: message["options"].update(values)


@pytest.fixture
def put(broker: LedgerBroker) -> Callable[[bytes | str, bytes], None]:
    """Put bytes on the default queue, as another program would do."""

    def put(wire_id: bytes | str, data: bytes) -> None:
        broker.wire.workers.hset(broker.wire.messages_key("default"), wire_id, data)
        broker.wire.workers.rpush(broker.wire.queue_key("default"), wire_id)

    return put


@pytest.fixture
def replace(broker: LedgerBroker) -> Callable[[str, bytes], None]:
    """Replace the message of a task in Redis."""

    def replace(task_id: str, data: bytes) -> None:
        broker.wire.workers.hset(broker.wire.messages_key("default"), f"{task_id}:0", data)

    return replace


def in_redis(broker: LedgerBroker, task_id: str) -> dict[str, Any]:
    data: Any = broker.wire.workers.hget(broker.wire.messages_key("default"), f"{task_id}:0")
    found: dict[str, Any] = json.loads(data)
    return found


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda message: message.update(actor_name="acting.fail"), id="another actor"),
        pytest.param(lambda message: message.update(actor_name="acting.unknown"), id="an unknown actor"),
        pytest.param(lambda message: message.update(args=[40, 2]), id="other arguments"),
        pytest.param(lambda message: message.update(args="12"), id="a text for the arguments"),
        pytest.param(lambda message: message.update(args=12), id="a number for the arguments"),
        pytest.param(lambda message: message.update(kwargs={"right": 3}), id="keyword arguments"),
        pytest.param(lambda message: message.update(kwargs=[]), id="a list for the keyword arguments"),
        pytest.param(lambda message: message.update(queue_name="slow"), id="another queue"),
        pytest.param(lambda message: message.update(message_id="another"), id="another task"),
        pytest.param(lambda message: message.update(options=None), id="no options"),
        pytest.param(options(pipe_target={"actor_name": "acting.fail"}), id="a follow-up"),
        pytest.param(options(owner_id=1), id="an owner"),
        pytest.param(options(retries=10**30), id="retries"),
        pytest.param(options(redis_message_id="another"), id="another wire id"),
        *(
            pytest.param(options(attempt=attempt), id=f"attempt {attempt!r}"[:30])
            for attempt in (1, -1, 2**31, 10**30, 10**4000, 1.5, "0", None, [0], float("nan"), float("inf"))
        ),
    ],
)
def test_a_task_runs_as_its_row_says_and_an_altered_message_is_kept(
    alter: Alter, broker, replace, request, ended, wait_until
) -> None:
    sent = [tasks.add.send(1, 2), tasks.add.send(3, 4), tasks.add.send(5, 6)]
    message = in_redis(broker, sent[1].message_id)
    alter(message)
    replace(sent[1].message_id, json.dumps(message, separators=(",", ":")).encode())
    request.getfixturevalue("working")
    assert [ended(one).result for one in sent] == [3, 7, 11]
    kept = TaskStatus.objects.exclude(task_id__in=[one.message_id for one in sent]).get()
    assert (kept.status, kept.task_name, kept.options["wire_id"]) == ("failed", "(altered)", f"{sent[1].message_id}:0")
    assert "runs as the row says" in kept.error_message
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        DEEP,
        b"9" * 5_000,
        b'{"args": NaN}',
        pytest.param(None, id="arguments named twice"),
    ],
    ids=lambda data: repr(data)[:20],
)
def test_a_damaged_message_does_not_stop_its_task(data: bytes | None, broker, replace, request, ended) -> None:
    sent = [tasks.add.send(1, 2), tasks.add.send(3, 4), tasks.add.send(5, 6)]
    if data is None:
        data = json.dumps(in_redis(broker, sent[1].message_id), separators=(",", ":")).encode()[:-1] + b',"args":[0,0]}'
    replace(sent[1].message_id, data)
    request.getfixturevalue("working")
    assert [ended(one).result for one in sent] == [3, 7, 11]
    assert TaskStatus.objects.get(task_name="(altered)").status == "failed"


@pytest.mark.parametrize("indent", [None, 2])
def test_a_message_in_another_spelling_is_the_same(indent: int | None, broker, replace, request, ended) -> None:
    """An earlier version of the project may have published it."""
    sent = tasks.add.send(1, right=2)
    replace(sent.message_id, json.dumps(in_redis(broker, sent.message_id), indent=indent, sort_keys=True).encode())
    request.getfixturevalue("working")
    assert ended(sent).result == 3
    assert TaskStatus.objects.count() == 1


@pytest.mark.parametrize(
    "wire_id",
    [
        b"",
        b":0",
        b"\xff\xfe:0",
        b"nul\x00:0",
        b"\xed\xa0\x80:0",
        b"x" * 300 + b":0",
        b"known:2147483648",
        b"known:" + b"9" * 5_000,
        b"known:-1",
        b"known:1.5",
        b"known:1e3",
        b"known: 1",
        b"known:01",
        "known:\N{ARABIC-INDIC DIGIT ONE}".encode(),
        b"known",
    ],
    ids=lambda wire_id: repr(wire_id)[:30],
)
@pytest.mark.parametrize("data", [b"{}", b"no json", None], ids=["odd", "undecodable", "ours"])
def test_a_message_under_an_impossible_id_is_kept_once_and_the_rest_runs(
    wire_id: bytes, data: bytes | None, put, broker, request, ended, wait_until
) -> None:
    before = tasks.add.send(1, 2)
    ours = json.dumps(in_redis(broker, before.message_id) | {"message_id": "f" * 300}).encode()
    put(wire_id, ours if data is None else data)
    after = tasks.add.send(3, 4)
    request.getfixturevalue("working")
    assert [ended(before).result, ended(after).result] == [3, 7]
    kept = TaskStatus.objects.exclude(task_name="acting.add", status="completed").get()
    assert kept.status == "failed"
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))


def test_a_message_on_the_wrong_queue_runs_on_the_right_one(broker, put, request, ended, wait_until) -> None:
    sent = tasks.add.send_with_options(args=(1, 2), delay=3_600_000)
    TaskStatus.objects.update(queue_name="slow", delayed=False, run_at="2020-01-01T00:00:00Z")
    message = sent.copy(queue_name="slow", options={"redis_message_id": f"{sent.message_id}:0", "attempt": 0})
    put(f"{sent.message_id}:0", message.encode())
    request.getfixturevalue("working")
    assert ended(sent).result == 3
    assert TaskStatus.objects.get(task_id=sent.message_id).queue_name == "slow"
    wait_until(lambda: not broker.wire.workers.exists(broker.wire.messages_key("default")))


@pytest.mark.parametrize(
    "column",
    [{"args": "9" * 5_000}, {"args": '{"a": 1}'}, {"kwargs": "[1]"}, {"options": "3"}],
    ids=lambda column: repr(column)[:30],
)
def test_a_row_that_cannot_be_read_fails_alone(column: dict[str, str], request, ended) -> None:
    from django.db import connection

    sent = [tasks.add.send(1, 2), tasks.add.send(3, 4), tasks.add.send(5, 6)]
    [(name, text)] = column.items()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE tasks_taskstatus SET {name} = %s WHERE task_id = %s", [text, sent[1].message_id])
    request.getfixturevalue("working")
    assert [ended(sent[0]).result, ended(sent[2]).result] == [3, 11]
    failed = ended(sent[1])
    assert failed.status == "failed"
    assert "cannot be read" in failed.error_message
    assert failed.cause == cause_of(failed.task_name, "", failed.error_message)
