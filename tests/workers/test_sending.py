"""Sending: the row in the caller's transaction, the message on commit."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
import redis
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone
from dramatiq.errors import ActorNotFound

from apps.tasks.errors import BadArgumentsError, TooLargeError
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from workers.broker import LedgerBroker
from workers.wire.message import from_row, words_of

Published = Callable[[], list[str]]
Declare = Callable[..., Any]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.fixture
def published(broker):
    """A function that returns the task ids that wait on the default queue in Redis."""

    def read() -> list[str]:
        ids = broker.wire.workers.lrange(broker.wire.queue_key("default"), 0, -1)
        return [wire_id.decode().rsplit(":", 1)[0] for wire_id in ids]

    return read


def test_a_send_is_a_row_and_a_message(published) -> None:
    message = tasks.effect.send("n")
    assert TaskStatus.objects.get().task_id == message.message_id
    assert published() == [message.message_id]


def test_a_rolled_back_send_leaves_nothing(published) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        tasks.effect.send("n")
        raise RuntimeError
    assert published() == []
    assert not TaskStatus.objects.exists()


def test_nothing_is_published_before_the_commit(published) -> None:
    with transaction.atomic():
        message = tasks.effect.send("n")
        assert published() == []
    assert published() == [message.message_id]


def test_a_rolled_back_savepoint_drops_its_own_sends_and_no_others(published) -> None:
    with transaction.atomic():
        first = tasks.effect.send("first")
        with pytest.raises(RuntimeError), transaction.atomic():
            tasks.effect.send("inside")
            with transaction.atomic():
                tasks.effect.send("deeper")
            raise RuntimeError
        with transaction.atomic():
            second = tasks.effect.send("second")
        third = tasks.effect.send("third")
    sent = {message.message_id for message in (first, second, third)}
    assert set(published()) == sent
    assert set(TaskStatus.objects.values_list("task_id", flat=True)) == sent


def test_a_savepoint_that_sends_first_does_not_silence_the_sends_after_it(published) -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            tasks.effect.send("inside")
            raise RuntimeError
        message = tasks.effect.send("outside")
    assert published() == [message.message_id]
    later = tasks.effect.send("later")
    assert published() == [message.message_id, later.message_id]


def test_the_sends_of_a_transaction_are_published_in_one_call(broker, published) -> None:
    def scripts_run() -> int:
        calls = broker.wire.workers.info("commandstats")
        return sum(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))

    tasks.effect.send("so that Redis knows the script")
    before = scripts_run()
    with transaction.atomic():
        for number in range(20):
            tasks.effect.send(str(number))
    assert scripts_run() - before == 1
    assert len(published()) == 1 + 20


def test_a_foreign_hook_that_raises_does_not_lose_the_row(published) -> None:
    def broken() -> None:
        raise RuntimeError("not ours")

    with pytest.raises(RuntimeError, match="not ours"), transaction.atomic():
        transaction.on_commit(broken)
        message = tasks.effect.send("n")
    assert published() == []
    assert TaskStatus.objects.due().get().task_id == message.message_id, "the relay's audit finds it"


def test_a_foreign_hook_that_raises_leaves_no_later_send_unpublished(published) -> None:
    """Django calls no hook after one that raised. The first of ours publishes for all."""

    def broken() -> None:
        raise RuntimeError("not ours")

    sent = []
    with pytest.raises(RuntimeError, match="not ours"), transaction.atomic():
        sent.append(tasks.effect.send("before").message_id)
        transaction.on_commit(broken)
        for number in range(3):
            with transaction.atomic():
                sent.append(tasks.effect.send(str(number)).message_id)
            with pytest.raises(RuntimeError), transaction.atomic():
                tasks.effect.send("rolled back")
                raise RuntimeError
            sent.append(tasks.effect.send(str(number)).message_id)
    assert published() == sent


@pytest.mark.parametrize("style", ["plain", "savepoints", "hooks", "rolled back savepoints", "nested savepoints"])
def test_the_sends_of_many_savepoints_and_hooks_are_one_publication_and_linear_work(
    style: str, broker, published, monkeypatch
) -> None:
    publications: list[int] = []
    publish = broker.wire.publishers.publish

    def count(packed, **options):
        publications.append(len(packed))
        return publish(packed, **options)

    monkeypatch.setattr(broker.wire.publishers, "publish", count)
    called: list[int] = []
    sent = []
    with transaction.atomic():
        for _ in range(30):
            if style == "plain":
                sent.append(tasks.effect.send("n"))
                continue
            if style == "rolled back savepoints":
                with pytest.raises(RuntimeError), transaction.atomic():
                    tasks.effect.send("n")
                    raise RuntimeError
            with transaction.atomic():
                sent.append(tasks.effect.send("n"))
                if style == "nested savepoints":
                    with transaction.atomic():
                        sent.append(tasks.effect.send("n"))
            if style == "hooks":
                transaction.on_commit(lambda: called.append(1))
                sent.append(tasks.effect.send("n"))
    assert publications == [len(sent)]
    assert published() == [message.message_id for message in sent]
    assert len(called) == (30 if style == "hooks" else 0)


def test_many_sends_do_not_look_through_the_hooks_of_the_transaction(published) -> None:
    class Hooks(list):
        looks = 0

        def __getitem__(self, index):
            type(self).looks += 1
            return super().__getitem__(index)

        def __iter__(self):
            raise AssertionError("all hooks are looked through")

        __reversed__ = __iter__

    with transaction.atomic():
        connection.run_on_commit = Hooks()
        for _ in range(10):
            tasks.effect.send("n")
            transaction.on_commit(lambda: None)
            with transaction.atomic():
                tasks.effect.send("n")
        looks = Hooks.looks
    assert looks <= 20
    assert len(published()) == 20


@pytest.mark.parametrize("is_in_atomic", [False, True])
def test_the_first_send_of_a_thread_is_published_at_once(is_in_atomic: bool, published) -> None:
    """Before it connects, Django says of any connection that autocommit is off."""

    def send() -> str:
        try:
            with transaction.atomic() if is_in_atomic else nullcontext():
                return tasks.effect.send("n").message_id
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        task_id = pool.submit(send).result()
    assert published() == [task_id]
    assert not TaskStatus.objects.get().delayed


@pytest.fixture
def by_hand():
    """Autocommit is switched off, and the test commits."""
    connection.set_autocommit(False)
    yield
    connection.rollback()
    connection.set_autocommit(True)


@pytest.mark.parametrize("is_in_atomic", [False, True])
def test_a_caller_that_commits_by_hand_leaves_the_publication_to_the_relay(
    is_in_atomic: bool, by_hand, published, broker
) -> None:
    with transaction.atomic() if is_in_atomic else nullcontext():
        kept = tasks.effect.send("kept")
        many = [tasks.effect.message(str(number)) for number in range(2)]
        broker.send_many(many)
    connection.commit()
    tasks.effect.send("rolled back")
    connection.rollback()
    assert published() == []
    due = TaskStatus.objects.filter(delayed=True)
    assert {row.task_id for row in due} == {kept.message_id, *(message.message_id for message in many)}


def test_redis_away_does_not_fail_the_send(broker, published, monkeypatch) -> None:
    from workers.wire.queue import WireQueue

    monkeypatch.setattr(broker, "wire", WireQueue("redis://127.0.0.1:1/0", namespace="none"))
    message = tasks.effect.send("n")
    assert TaskStatus.objects.due().get().task_id == message.message_id


def test_a_black_hole_costs_300_ms_once_and_then_nothing(broker, monkeypatch) -> None:
    """All other limits are so long that a send which waited for one would not end."""
    import socket

    from workers.wire.queue import WireQueue

    monkeypatch.setattr("workers.wire.queue.WORK_TIMEOUT_SECONDS", 600)
    monkeypatch.setattr("workers.wire.lane.BREAKER_SECONDS", 600)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # Accepts and never answers.
        wire = WireQueue(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", namespace="none")
        monkeypatch.setattr(broker, "wire", wire)
        began = time.monotonic()
        tasks.effect.send("first")
        assert time.monotonic() - began > 0.2
        for _ in range(20):
            tasks.effect.send("next")
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # No other has tried to connect.
            silent.accept()
    assert TaskStatus.objects.due().count() == 21


def test_a_delayed_send_is_a_row_that_redis_does_not_know(published) -> None:
    message = tasks.effect.send_with_options(args=("n",), delay=timedelta(days=400))
    row = TaskStatus.objects.get(task_id=message.message_id)
    assert row.delayed
    assert row.run_at > timezone.now() + timedelta(days=399)
    assert published() == []


def test_max_age_counts_from_the_time_at_which_the_task_may_run() -> None:
    message = tasks.effect.send_with_options(args=("n",), delay=2_000, max_age=1_000)
    row = TaskStatus.objects.get(task_id=message.message_id)
    assert row.expires_at is not None
    assert row.expires_at - row.run_at == pytest.approx(timedelta(seconds=1), abs=timedelta(milliseconds=200))


def test_send_many_is_one_insert_and_keeps_the_order(broker, published, django_assert_max_num_queries) -> None:
    messages = [tasks.effect.message(str(number)) for number in range(200)]
    batches = 200 // connection.ops.bulk_batch_size(TaskStatus._meta.concrete_fields, messages) + 3
    with django_assert_max_num_queries(batches):
        broker.send_many(messages)
    assert published() == [message.message_id for message in messages]
    assert TaskStatus.objects.count() == 200


def test_send_many_sends_nothing_if_one_message_is_wrong(broker, published) -> None:
    with pytest.raises(BadArgumentsError):
        broker.send_many([tasks.effect.message("right"), tasks.effect.message()])  # type: ignore[call-arg]
    assert published() == []
    assert not TaskStatus.objects.exists()


@pytest.fixture
def runs_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `send_many` record plain messages two by two."""
    monkeypatch.setattr("workers.broker.RUN", 2)


@pytest.mark.usefixtures("runs_of_two")
def test_many_messages_of_one_actor_are_sent_in_their_order(broker: LedgerBroker, published: Published) -> None:
    messages = [tasks.effect.message(f"{number} é") for number in range(5)]

    sent = broker.send_many(messages)

    assert [one.message_id for one in sent] == [one.message_id for one in messages]
    assert all(one.was_new for one in sent)
    assert list(TaskStatus.objects.order_by("pk").values_list("task_id", "args")) == [
        (one.message_id, list(one.args)) for one in messages
    ]
    assert published() == [one.message_id for one in messages]


@pytest.mark.usefixtures("runs_of_two")
@pytest.mark.parametrize("is_in_atomic", [False, True], ids=["alone", "in a transaction"])
def test_a_known_message_among_many_is_not_sent_again(
    is_in_atomic: bool, broker: LedgerBroker, published: Published
) -> None:
    known = tasks.effect.send("known")
    messages = [tasks.effect.message(str(number)) for number in range(5)]
    messages[3] = messages[3].copy(message_id=known.message_id)

    with transaction.atomic() if is_in_atomic else nullcontext():
        sent = broker.send_many(messages)

    assert [one.was_new for one in sent] == [True, True, True, False, True]
    assert TaskStatus.objects.get(task_id=known.message_id).args == ["known"]
    assert published() == [known.message_id, *(one.message_id for one in messages if one is not messages[3])]


@pytest.mark.usefixtures("runs_of_two")
def test_a_wrong_message_late_among_many_keeps_all_of_them_from_being_sent(
    broker: LedgerBroker, published: Published
) -> None:
    messages = [tasks.effect.message(str(number)) for number in range(5)]
    with pytest.raises(BadArgumentsError):
        broker.send_many([*messages, tasks.effect.message(["no text"])])  # type: ignore[arg-type]
    assert published() == []
    assert not TaskStatus.objects.exists()
    tasks.effect.send("the connection is in order")


@pytest.mark.usefixtures("runs_of_two")
def test_each_of_many_messages_has_the_row_and_the_words_of_a_lone_send(
    broker: LedgerBroker, declare: Declare, redis_client: "redis.Redis"
) -> None:
    columns = ("task_name", "args", "kwargs", "options", "related_object_type", "related_object_id", "priority")

    def read(key: Any, text: str = "", **more: Any) -> None: ...

    about = declare(read, related_to="documents.Document", priority=3)
    messages = [
        about.message(7, "seven"),
        about.message(2**40),
        about.message("no number", "\N{GRINNING FACE}"),
        about.message(8, text='"quoted" \\u0000'),
        about.message(key=9, other=[1.5, None, True]),
    ]

    broker.send_many(messages)

    many = list(TaskStatus.objects.order_by("pk").values_list(*columns))
    for one in messages:
        broker.enqueue(one.copy(message_id=f"again {one.message_id}"))
    assert list(TaskStatus.objects.order_by("pk").values_list(*columns)) == many * 2
    for row in TaskStatus.objects.all():
        words = words_of(from_row(row), priority=row.priority)
        on_the_wire = redis_client.hget(broker.wire.messages_key(row.queue_name), words[1])
        assert without_time(on_the_wire) == without_time(words[2])


def without_time(data: Any) -> dict[str, Any]:
    return {name: value for name, value in json.loads(data).items() if name != "message_timestamp"}


def test_options_that_python_takes_for_equal_stay_as_they_are(broker: LedgerBroker, published: Published) -> None:
    given = [{"scheduled_at": value} for value in (1, True, 1.0)]
    messages = [tasks.effect.message("n").copy(options=options) for options in given]
    broker.send_many(messages)
    rows = TaskStatus.objects.order_by("pk").values_list("options", flat=True)
    assert json.dumps(list(rows)) == json.dumps(given)


def test_publishing_twice_is_harmless(broker, published) -> None:
    message = tasks.effect.send("n")
    from workers.wire import message as wire_message

    broker.wire.publish([wire_message.from_row(TaskStatus.objects.get())])
    assert published() == [message.message_id]


def test_the_owner_is_an_option_and_not_in_the_message(broker) -> None:
    user = get_user_model().objects.create_user("writer")
    message = tasks.effect.send_with_options(args=("n",), owner_id=user.pk)
    row = TaskStatus.objects.get()
    assert row.owner == user
    assert "owner_id" not in row.options
    on_the_wire = broker.wire.workers.hget(broker.wire.messages_key("default"), f"{message.message_id}:0")
    assert "owner_id" not in json.loads(on_the_wire)["options"]


def test_an_unknown_actor_is_refused(broker) -> None:
    message: dramatiq.Message = dramatiq.Message(
        queue_name="default", actor_name="unknown", args=(), kwargs={}, options={}
    )
    with pytest.raises(ActorNotFound):
        broker.enqueue(message)
    assert not TaskStatus.objects.exists()


def test_an_actor_of_another_program_gets_its_task_if_the_message_says_so(broker, settings) -> None:
    settings.TASK_QUEUES = {"default": {}}
    message: dramatiq.Message = dramatiq.Message(
        queue_name="billing", actor_name="billing.charge", args=(7,), kwargs={}, options={"elsewhere": True}
    )
    broker.enqueue(message)
    row = TaskStatus.objects.get(task_id=message.message_id)
    assert (row.task_name, row.queue_name, row.args, row.options) == ("billing.charge", "billing", [7], {})
    assert broker.wire.contents.present("billing", [f"{message.message_id}:0"]) == [True]
    with pytest.raises(BadArgumentsError, match=r"argument 1 for billing\.charge"):
        broker.enqueue(message.copy(args=({1},)))


class NotJSON:
    pass


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"args": ()}, BadArgumentsError, ["acting.effect(nonce: str)", "missing a required argument"]),
        ({"args": ("a", "b")}, BadArgumentsError, ["too many positional"]),
        ({"kwargs": {"nonse": "a"}}, BadArgumentsError, ["nonse=str"]),
        ({"args": (float("nan"),)}, BadArgumentsError, ["argument 1", "nan"]),
        ({"args": ({"a": [float("inf")]},)}, BadArgumentsError, ["argument 1['a'][0]", "inf"]),
        ({"args": (b"bytes",)}, BadArgumentsError, ["argument 1", "bytes", "None, bool, int, float, str, list, dict"]),
        ({"args": (lambda: 1,)}, BadArgumentsError, ["function"]),
        ({"args": (NotJSON(),)}, BadArgumentsError, ["NotJSON"]),
        ({"args": ({1, 2},)}, BadArgumentsError, ["set", "send a list"]),
        ({"args": ({1: 2},)}, BadArgumentsError, ["the key 1", "texts"]),
        ({"args": ("a\x00b",)}, BadArgumentsError, ["NUL"]),
        ({"args": ("\ud800",)}, BadArgumentsError, ["surrogate"]),
        ({"args": ({"\ud800": 1},)}, BadArgumentsError, ["a key of argument 1", "surrogate"]),
        ({"args": (json.loads("[" * 102 + "]" * 102),)}, BadArgumentsError, ["nested more than 100 deep"]),
        ({"args": (timezone.now(),)}, BadArgumentsError, ["datetime", "isoformat"]),
        ({"args": ("x" * 2_000_000,)}, TooLargeError, ["2,000,009 bytes", "1,000,000", "TASK_MAX_ARGUMENT_BYTES"]),
    ],
)
def test_a_wrong_argument_is_refused_in_the_caller(arguments, error, words, published) -> None:
    with pytest.raises(error) as caught:
        tasks.effect.send_with_options(**arguments)
    for word in words:
        assert word in str(caught.value)
    assert not TaskStatus.objects.exists()
    assert published() == []


def test_a_model_instance_is_refused_with_a_hint_to_send_its_id() -> None:
    user = get_user_model().objects.create_user("writer")
    with pytest.raises(BadArgumentsError, match=r"the User itself; send user\.id, not the User"):
        tasks.effect.send(user)  # type: ignore[arg-type]


def test_the_values_of_arguments_are_not_in_the_error() -> None:
    with pytest.raises(BadArgumentsError) as caught:
        tasks.effect.send("hunter2", password="hunter2")  # type: ignore[call-arg]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("owner_id", ["jane", 1.9, True, float("inf"), "1\x00", 10**30 * 1.0, [1]])
def test_an_owner_that_is_no_key_is_refused_with_the_value(broker, owner_id: object) -> None:
    with transaction.atomic():
        with pytest.raises(BadArgumentsError, match=r"owner_id is .*, must be the primary key of a user"):
            tasks.effect.send_with_options(args=("n",), owner_id=owner_id)
        assert TaskStatus.objects.count() == 0


def test_an_owner_may_be_written_as_text(broker) -> None:
    user = get_user_model().objects.create_user("jane")
    tasks.effect.send_with_options(args=("n",), owner_id=str(user.pk))
    assert TaskStatus.objects.get().owner == user


def test_the_table_of_tasks_has_no_index_for_parts_of_task_ids(broker) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite makes no such index")
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [TaskStatus._meta.db_table])
        definitions = [definition for (definition,) in cursor.fetchall()]
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [TaskStatus._meta.db_table])
        options = cursor.fetchone()
    assert definitions
    assert not [definition for definition in definitions if "pattern_ops" in definition]
    assert options == (["fillfactor=70"],)


# --- Pipelines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"weight": 3}, "weight=3 for acting.two, which has no concurrency"),
        ({"unique": 3.5}, r"acting.two: unique is 3.5, must be True, False, a text or an integer"),
        ({"unique": "x", "while_": "never"}, "acting.two: while_ is 'never', must be"),
        ({"while_": "pending"}, "acting.two: while_ needs unique"),
        ({"owner_id": "zz"}, "owner_id is 'zz', must be the primary key of a user"),
        ({"expires": timezone.now(), "delay": 60_000}, "expires for acting.two is .* before its delay"),
        ({"priority": 1.5}, "the priority of .* is 1.5"),
        ({"pipe_ignore": True}, r"acting.two\(n, result\) cannot be called with \(int\)"),
    ],
    ids=str,
)
@pytest.mark.parametrize("place", [1, 2])
def test_a_later_message_of_a_pipeline_is_checked_like_a_send(declare, options, told: str, place: int) -> None:
    def one(*args): ...
    def two(n, result): ...

    first = declare(one)
    second = declare(two)
    earlier = [first.message() for _ in range(place)]
    with pytest.raises(BadArgumentsError, match=told):
        dramatiq.pipeline([*earlier, second.message_with_options(args=(1,), **options)]).run()
    assert not TaskStatus.objects.exists()


def test_a_later_message_that_is_debounced_or_limited_is_checked_as_its_actor_is_declared(declare) -> None:
    def one(): ...
    def saved(n, result): ...
    def limited(n, result): ...

    first = declare(one)
    debounced = declare(saved, unique=lambda n, result: n, debounce=timedelta(seconds=5))
    by_key = declare(limited, concurrency=2, limit_key=lambda n, result: [])
    for wrong, told in (
        (debounced.message_with_options(args=(1,), delay=1_000), "which is its delay"),
        (by_key.message_with_options(args=(1,), weight=3), "the weight for acting.limited is 3"),
        (by_key.message_with_options(args=(1, 2), pipe_ignore=True), r"limit_key of acting.limited returned \[\]"),
    ):
        with pytest.raises(BadArgumentsError, match=told):
            dramatiq.pipeline([first.message(), wrong]).run()
    dramatiq.pipeline([first.message(), debounced.message(1)]).run()
    dramatiq.pipeline([first.message(), by_key.message_with_options(args=(1,), weight=2)]).run()
    assert TaskStatus.objects.count() == 2
