"""`unique`: sends for which another task stands."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.errors import BadArgumentsError, FollowUpError, KeyTakenError
from apps.tasks.models import TaskGroup, TaskKey, TaskStatus
from tests.at_once import at_once
from workers.broker import LedgerBroker
from workers.middleware.errors import BadActorError
from workers.relay import Relay

pytestmark = [pytest.mark.django_db(transaction=True)]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def index(declare: Callable[..., Any]) -> Any:
    """An actor with one task for each set of arguments."""

    def index(document_id: int, *, words: list[str] | None = None, again: bool = False) -> int:
        return document_id

    return declare(index, unique=True, max_retries=0)


@pytest.fixture
def published(broker: LedgerBroker) -> Callable[[], list[str]]:
    """A function that returns the wire ids that wait on the default queue in Redis."""
    wire: Any = broker.wire
    return lambda: [one.decode() for one in wire.workers.lrange(wire.queue_key("default"), 0, -1)]


@pytest.fixture
def skip_without_row_locks() -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has one writer")


def states() -> list[str]:
    return list(TaskStatus.objects.order_by("pk").values_list("status", flat=True))


def now_is(status: str, message: dramatiq.Message) -> None:
    ended = None if status in ("pending", "processing") else timezone.now()
    TaskStatus.objects.filter(task_id=message.message_id).update(status=status, finished_at=ended)


# --- One task for a key ---------------------------------------------------------------------------


def test_a_second_send_returns_the_message_of_the_first(index: Any, published: Callable[[], list[str]]) -> None:
    first, second = index.send(1), index.send(1)
    assert (first.was_new, second.was_new) == (True, False)
    assert second.message_id == first.message_id
    assert TaskStatus.objects.get().task_id == first.message_id
    assert published() == [f"{first.message_id}:0"]


def test_other_arguments_are_another_task(index: Any) -> None:
    assert index.send(1).was_new
    assert index.send(2).was_new
    assert index.send(1, again=True).was_new
    assert index.send(1, words=["a", "b"]).was_new
    assert index.send(1, words=["b", "a"]).was_new
    assert TaskStatus.objects.count() == 5


@pytest.mark.parametrize(
    "kwargs",
    [{"again": False}, {"words": None}, {"words": None, "again": False}, {"again": False, "words": None}],
)
def test_a_default_and_the_order_of_names_make_no_difference(index: Any, kwargs: dict[str, Any]) -> None:
    first = index.send(1)
    assert index.send(1, **kwargs).message_id == first.message_id
    assert index.send(document_id=1, **kwargs).message_id == first.message_id
    assert index.send_with_options(kwargs={**kwargs, "document_id": 1}).message_id == first.message_id


def test_an_actor_without_arguments_has_one_task_at_all(declare: Callable[..., Any]) -> None:
    def clean() -> None:
        """Do nothing."""

    actor = declare(clean, unique=True)
    assert [actor.send().was_new for _ in range(3)] == [True, False, False]


def test_another_actor_has_keys_of_its_own(declare: Callable[..., Any], index: Any) -> None:
    def other(document_id: int) -> None:
        """Do nothing."""

    actor = declare(other, unique=lambda document_id: document_id)
    assert index.send(1).was_new
    assert actor.send(1).was_new


def test_a_function_makes_the_key(declare: Callable[..., Any]) -> None:
    def store(document_id: int, text: str) -> None:
        """Do nothing."""

    actor = declare(store, unique=lambda document_id, text: document_id)
    first = actor.send(1, "a")
    assert actor.send(1, text="b").message_id == first.message_id
    assert actor.send(2, "a").was_new
    assert TaskStatus.objects.get(task_id=first.message_id).args == [1, "a"]


def test_a_key_may_be_of_any_length(declare: Callable[..., Any]) -> None:
    def store(text: str) -> None:
        """Do nothing."""

    actor = declare(store, unique=True)
    assert actor.send("é" * 50_000 + "a").was_new
    assert actor.send("é" * 50_000 + "b").was_new
    assert not actor.send("é" * 50_000 + "a").was_new


def test_a_send_may_have_a_key_of_its_own(index: Any) -> None:
    first = index.send_with_options(args=(1,), unique="daily")
    assert index.send_with_options(args=(2,), unique="daily").message_id == first.message_id
    assert index.send(1).was_new
    assert index.send_with_options(args=(1,), unique=False).was_new


def test_the_row_tells_the_key(index: Any) -> None:
    index.send(7)
    assert TaskStatus.objects.get().options == {
        "unique": '["acting.index",{"again":false,"document_id":7,"words":null}]'
    }


def test_a_worker_runs_it_and_the_next_send_is_new(index: Any, working: object, wait_until: Callable[..., Any]) -> None:
    first = index.send(1)
    wait_until(lambda: TaskStatus.objects.finished().count() == 1)
    assert TaskStatus.objects.get().result == 1
    assert index.send(1).message_id != first.message_id


# --- While ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("while_", "standing"),
    [
        ("pending", ["pending"]),
        ("unfinished", ["pending", "processing"]),
        (None, ["pending", "processing"]),
        (MINUTE, ["pending", "processing", "completed", "failed", "cancelled"]),
    ],
)
def test_the_first_stands_in_these_states(index: Any, while_: Any, standing: list[str]) -> None:
    found = []
    for status in TaskStatus.STATUS_CHOICES:
        TaskStatus.objects.all().delete()
        now_is(status[0], index.send_with_options(args=(1,), while_=while_))
        if not index.send_with_options(args=(1,), while_=while_).was_new:
            found.append(status[0])
    assert found == standing


def test_a_throttle_ends_by_the_time_since_the_send(index: Any) -> None:
    first = index.send_with_options(args=(1,), while_=MINUTE)
    TaskStatus.objects.update(created_at=timezone.now() - timedelta(seconds=50), status="completed")
    assert not index.send_with_options(args=(1,), while_=MINUTE).was_new
    TaskStatus.objects.update(created_at=timezone.now() - timedelta(seconds=70))
    second = index.send_with_options(args=(1,), while_=MINUTE)
    assert second.was_new
    assert index.send_with_options(args=(1,), while_=MINUTE).message_id == second.message_id != first.message_id


def test_a_pending_task_that_has_expired_or_is_cancelled_does_not_stand(index: Any) -> None:
    index.send_with_options(args=(1,), max_age=60_000)
    TaskStatus.objects.update(expires_at=timezone.now() - MINUTE)
    second = index.send(1)
    assert second.was_new
    TaskStatus.objects.filter(task_id=second.message_id).update(cancel_requested_at=timezone.now())
    assert index.send(1).was_new


def test_a_claimed_task_that_a_cancellation_keeps_from_its_start_does_not_stand(index: Any) -> None:
    first = index.send(1)
    held, _ = ledger.claim([(first.message_id, 0)], claim_id=uuid.uuid4(), worker_id=uuid.uuid4())
    ledger.cancel(first.message_id)
    assert (len(held), index.send(1).was_new) == (1, True)


def test_a_task_that_has_started_stands_until_its_cancellation_ends_it(index: Any) -> None:
    first = index.send(1)
    now = timezone.now()
    TaskStatus.objects.update(status="processing", started_at=now, cancel_requested_at=now)
    assert index.send(1).message_id == first.message_id


# --- Known ids ------------------------------------------------------------------------------------


@pytest.fixture
def other(declare: Callable[..., Any]) -> Any:
    """Another actor, which is not unique."""

    def other(number: int = 0) -> None:
        """Do nothing."""

    return declare(other)


def test_a_known_id_of_another_actor_does_not_take_the_key(index: Any, other: Any) -> None:
    other.send_with_options(message_id="x")
    known = index.send_with_options(args=(1,), message_id="x")
    assert (known.message_id, known.was_new) == ("x", False)
    assert not TaskKey.objects.exists()
    assert index.send(1).was_new


def test_a_known_id_of_another_key_does_not_take_the_key(index: Any) -> None:
    first = index.send(1)
    index.send_with_options(args=(2,), message_id="x")
    assert not index.send_with_options(args=(1,), message_id="x").was_new
    assert index.send(1).message_id == first.message_id
    assert index.send(2).message_id == "x"


def test_a_known_id_leaves_the_key_to_the_task_that_has_it(index: Any) -> None:
    now_is("completed", index.send_with_options(args=(1,), message_id="day 1"))
    running = index.send(1)
    now_is("processing", running)
    again = index.send_with_options(args=(1,), message_id="day 1", while_="pending")
    assert (again.message_id, again.was_new) == ("day 1", False)
    assert index.send(1).message_id == running.message_id


def test_a_known_id_does_not_stand_for_another_send_of_its_call(index: Any, broker: LedgerBroker) -> None:
    now_is("completed", index.send_with_options(args=(1,), message_id="day 1"))
    again = index.message_with_options(args=(1,), message_id="day 1")
    sent = broker.send_many([again, index.message(1), index.message(1)])
    assert [message.was_new for message in sent] == [False, True, False]
    assert sent[2].message_id == sent[1].message_id
    assert states() == ["completed", "pending"]


def test_one_id_for_two_keys_of_a_call_is_one_task(index: Any, broker: LedgerBroker) -> None:
    twice = [index.message_with_options(args=(number,), message_id="x") for number in (1, 2)]
    assert [message.was_new for message in broker.send_many(twice)] == [True, False]
    assert TaskStatus.objects.get().args == [1]
    assert index.send(2).was_new


def test_an_id_that_another_transaction_uses_at_the_same_time_does_not_take_the_key(
    index: Any, other: Any, skip_without_row_locks: None
) -> None:
    results: list[Any] = []
    done = threading.Event()

    def send() -> None:
        try:
            results.append(index.send_with_options(args=(1,), message_id="x"))
        finally:
            connection.close()
            done.set()

    thread = threading.Thread(target=send)
    with transaction.atomic():
        other.send_with_options(message_id="x")
        thread.start()
        assert not done.wait(timeout=0.2)
    thread.join(timeout=60)
    assert [(message.message_id, message.was_new) for message in results] == [("x", False)]
    assert not TaskKey.objects.exists()


# --- Transactions ---------------------------------------------------------------------------------


def test_a_rolled_back_send_leaves_no_key(index: Any) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        first = index.send(1)
        raise RuntimeError
    second = index.send(1)
    assert second.was_new
    assert second.message_id != first.message_id
    assert TaskKey.objects.get().task_id == second.message_id


def test_a_rolled_back_savepoint_gives_the_key_back(index: Any, published: Callable[[], list[str]]) -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            index.send(1)
            raise RuntimeError
        second = index.send(1)
        assert second.was_new
    assert published() == [f"{second.message_id}:0"]


def test_a_second_sender_waits_for_the_first_and_finds_its_task(index: Any) -> None:
    results: list[Any] = []
    done = threading.Event()

    def send() -> None:
        try:
            results.append(index.send(1))
        finally:
            connection.close()
            done.set()

    thread = threading.Thread(target=send)
    with transaction.atomic():
        first = index.send(1)
        thread.start()
        assert not done.wait(timeout=0.2)
    thread.join(timeout=60)
    assert [(one.message_id, one.was_new) for one in results] == [(first.message_id, False)]


def test_a_second_sender_sends_if_the_first_rolls_back(index: Any) -> None:
    results: list[Any] = []

    def send() -> None:
        try:
            results.append(index.send(1))
        finally:
            connection.close()

    thread = threading.Thread(target=send)
    with pytest.raises(RuntimeError), transaction.atomic():
        index.send(1)
        thread.start()
        raise RuntimeError
    thread.join(timeout=60)
    assert [one.was_new for one in results] == [True]
    assert TaskStatus.objects.get().task_id == results[0].message_id


def is_free(message: dramatiq.Message) -> bool:
    """Return whether another transaction can lock the task's row."""

    def look(_number: int) -> bool:
        with transaction.atomic():
            rows = TaskStatus.objects.filter(task_id=message.message_id)
            return rows.select_for_update(skip_locked=True, no_key=True).first() is not None

    return at_once(look, times=1)[0]


def test_no_worker_claims_a_pending_task_before_the_second_sender_commits(
    index: Any, skip_without_row_locks: None
) -> None:
    first = index.send(1)
    with transaction.atomic():
        assert not index.send_with_options(args=(1,), while_="pending").was_new
        assert not is_free(first)
    assert is_free(first)


def test_a_task_that_stands_until_its_end_is_not_kept_from_workers(index: Any, skip_without_row_locks: None) -> None:
    first = index.send(1)
    with transaction.atomic():
        assert index.send(1).message_id == first.message_id
        assert is_free(first)


def test_a_chain_of_transactions_does_not_keep_an_overdue_task_from_workers(
    index: Any, skip_without_row_locks: None
) -> None:
    first = index.send(1)
    TaskStatus.objects.update(run_at=timezone.now() - timedelta(seconds=2))
    with transaction.atomic():
        second = index.send_with_options(args=(1,), while_="pending")
        assert second.was_new
        assert is_free(first)


def test_an_overdue_task_stands_for_a_send_without_a_transaction(index: Any) -> None:
    first = index.send(1)
    TaskStatus.objects.update(run_at=timezone.now() - timedelta(hours=1))
    assert index.send_with_options(args=(1,), while_="pending").message_id == first.message_id


def test_of_many_sends_at_once_one_is_new(index: Any) -> None:
    messages = at_once(lambda _number: [index.send(1) for _ in range(10)], times=8)
    found = [message for some in messages for message in some]
    assert {message.message_id for message in found} == {TaskStatus.objects.get().task_id}
    assert [message.was_new for message in found].count(True) == 1


# --- Many -----------------------------------------------------------------------------------------


def test_equal_keys_of_one_call_are_one_task(index: Any, broker: LedgerBroker) -> None:
    earlier = index.send(3)
    sent = broker.send_many([index.message(number) for number in (1, 2, 1, 3, 3)])
    assert [message.was_new for message in sent] == [True, True, False, False, False]
    assert [message.message_id for message in sent[2:]] == [sent[0].message_id] + 2 * [earlier.message_id]
    assert TaskStatus.objects.count() == 3


def test_each_send_of_a_call_goes_by_its_own_rule(index: Any, broker: LedgerBroker) -> None:
    running = index.send(1)
    now_is("processing", running)
    rules = ("unfinished", "pending", "unfinished")
    sent = broker.send_many([index.message_with_options(args=(1,), while_=while_) for while_ in rules])
    assert [message.was_new for message in sent] == [False, True, False]
    assert sent[0].message_id == running.message_id
    assert sent[2].message_id == sent[1].message_id


def test_many_unique_and_plain_sends_are_one_call(
    declare: Callable[..., Any], index: Any, broker: LedgerBroker
) -> None:
    def plain(number: int) -> None:
        """Do nothing."""

    actor = declare(plain)
    messages = [message for number in range(600) for message in (index.message(number % 550), actor.message(1))]
    sent = broker.send_many(messages)
    assert sum(message.was_new for message in sent) == 1_150
    assert TaskStatus.objects.count() == 1_150
    assert not any(message.was_new for message in broker.send_many(messages[::2]))


def test_calls_in_opposite_order_do_not_lock_each_other_out(index: Any, broker: LedgerBroker) -> None:
    def send(number: int) -> None:
        numbers = list(range(20))
        broker.send_many([index.message(one) for one in (numbers if number % 2 else reversed(numbers))])

    at_once(send, times=6)
    assert TaskStatus.objects.count() == 20


def test_a_known_message_id_is_not_new(declare: Callable[..., Any], broker: LedgerBroker) -> None:
    def plain(number: int) -> None:
        """Do nothing."""

    actor = declare(plain)
    messages = [actor.message(number).copy(message_id=f"id {number}") for number in range(4)]
    assert broker.enqueue(messages[0]).was_new
    assert not broker.enqueue(messages[0]).was_new
    sent = broker.send_many([messages[1], messages[0], messages[2], messages[1]])
    assert [message.was_new for message in sent] == [True, False, True, False]
    assert [message.message_id for message in sent] == ["id 1", "id 0", "id 2", "id 1"]
    assert [message.was_new for message in broker.send_many(messages[2:])] == [False, True]


def test_a_copy_of_a_message_that_was_not_new_is_new_again(index: Any) -> None:
    index.send(1)
    known = index.send(1)
    assert known.copy(message_id="another").was_new
    assert known.asdict().keys() == index.message(1).asdict().keys()


def test_a_sent_message_equals_its_copy_from_before(index: Any, broker: LedgerBroker) -> None:
    message = index.message(1)
    twin = message.copy()
    sent = broker.enqueue(message)
    assert sent == twin
    assert twin == sent
    assert sent != index.message(1)


# --- What follows a task --------------------------------------------------------------------------


def test_a_unique_follow_up_is_sent_once(
    declare: Callable[..., Any], index: Any, working: object, wait_until: Callable[..., Any]
) -> None:
    def first(number: int) -> int:
        return 1

    actor = declare(first)
    waiting = index.send_with_options(args=(1,), delay=600_000)
    for number in range(3):
        (actor.message(number) | index.message()).run()
    wait_until(lambda: TaskStatus.objects.finished().count() == 3)
    assert states() == ["pending", "completed", "completed", "completed"]
    assert TaskStatus.objects.get(status="pending").task_id == waiting.message_id


def test_an_outcome_waits_for_a_locked_key_and_holds_up_no_other(
    declare: Callable[..., Any],
    index: Any,
    working: object,
    wait_until: Callable[..., Any],
    skip_without_row_locks: None,
) -> None:
    def first(number: int) -> int:
        return 1

    actor = declare(first)
    with transaction.atomic():
        index.send(1)

        def sent_by_another(_number: int) -> None:
            (actor.message(1) | index.message()).run()
            other = actor.send(2)
            wait_until(lambda: TaskStatus.objects.finished().filter(task_id=other.message_id).exists())

        at_once(sent_by_another, times=1)
        assert not TaskStatus.objects.finished().filter(options__has_key="pipe_target").exists()
    wait_until(lambda: not TaskStatus.objects.unfinished().exists())
    assert set(states()) == {"completed"}


@pytest.mark.parametrize("returned", [[1], None, 1.5, True])
def test_a_follow_up_whose_key_cannot_be_made_is_told(
    declare: Callable[..., Any], broker: LedgerBroker, returned: Any
) -> None:
    def follow(document_id: int) -> None:
        """Do nothing."""

    actor = declare(follow, unique=lambda document_id: returned)
    with pytest.raises(FollowUpError, match=r"acting\.follow cannot be sent: the unique function .* returned"):
        broker.follow_up_of(actor.message(1))


def test_a_unique_message_cannot_be_followed_by_another(declare: Callable[..., Any], index: Any) -> None:
    def first(number: int) -> int:
        return 1

    plain = declare(first)
    told = r"acting\.index is unique and cannot have a next message in a pipeline"
    with pytest.raises(BadArgumentsError, match=told):
        (index.message(1) | plain.message()).run()
    with pytest.raises(BadArgumentsError, match=told):
        (plain.message(1) | index.message() | plain.message()).run()
    assert not TaskStatus.objects.exists()
    (index.message_with_options(args=(1,), unique=False) | plain.message()).run()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"while_": "never"}, r"acting\.index: while_ is 'never', must be"),
        ({"unique": 1.5}, r"acting\.index: unique is 1\.5, must be"),
    ],
)
def test_a_wrong_option_of_a_later_message_is_refused_at_the_send(
    declare: Callable[..., Any], index: Any, options: dict[str, Any], told: str
) -> None:
    def first(number: int) -> int:
        return 1

    with pytest.raises(BadArgumentsError, match=told):
        (declare(first).message(1) | index.message_with_options(**options)).run()
    assert not TaskStatus.objects.exists()


def test_a_delay_of_a_later_message_is_refused_if_it_is_debounced(declare: Callable[..., Any]) -> None:
    def first(number: int) -> int:
        return 1

    last = declare(wrong, unique=True, debounce=MINUTE)
    with pytest.raises(BadArgumentsError, match=r"acting\.wrong has debounce=.*, which is its delay"):
        (declare(first).message(1) | last.message_with_options(delay=5)).run()
    assert not TaskStatus.objects.exists()


def test_a_member_of_a_group_cannot_be_unique(index: Any) -> None:
    with pytest.raises(BadArgumentsError, match="is unique and cannot be in a group"):
        dramatiq.group([index.message(1)]).run()
    assert not TaskStatus.objects.exists()
    assert not TaskGroup.objects.exists()


# --- Forgetting and retrying ----------------------------------------------------------------------


def test_keys_of_ended_tasks_are_deleted(index: Any, broker: LedgerBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.tasks.ledger.keys.PAGE", 2)
    sent = [index.send(number) for number in range(5)]
    throttled = index.send_with_options(args=(5,), while_=MINUTE)
    for message in [*sent[1:], throttled]:
        now_is("failed", message)
    now_is("processing", sent[0])
    assert Relay(broker).forget() == 4
    assert sorted(TaskKey.objects.values_list("task_id", flat=True)) == sorted(
        [sent[0].message_id, throttled.message_id]
    )
    assert not index.send(0).was_new
    assert not index.send_with_options(args=(5,), while_=MINUTE).was_new
    TaskKey.objects.update(until=timezone.now() - MINUTE)
    assert Relay(broker).forget() == 1


def test_a_retry_stands_for_further_sends_again(index: Any) -> None:
    first = index.send(1)
    now_is("failed", first)
    ledger.forget_keys()
    assert ledger.retry(first.message_id)
    assert index.send(1).message_id == first.message_id


def test_a_retry_is_refused_while_another_task_has_the_key(index: Any) -> None:
    first = index.send(1)
    now_is("failed", first)
    second = index.send(1)
    with pytest.raises(KeyTakenError, match=f"{first.message_id} cannot be retried: task {second.message_id} has"):
        ledger.retry(first.message_id)
    rows = TaskStatus.objects.in_bulk(field_name="task_id")
    keys = [rows[message.message_id].pk for message in (first, second)]
    assert ledger.retry_many(keys) == set()
    assert ledger.rivals(keys) == {keys[0]}
    now_is("completed", second)
    assert ledger.rivals(keys) == set()
    assert ledger.retry(first.message_id)
    assert index.send(1).message_id == first.message_id


def test_of_several_ended_tasks_of_a_key_one_is_retried(index: Any) -> None:
    messages = []
    for _ in range(3):
        messages.append(index.send(1))
        now_is("failed", messages[-1])
    keys = list(TaskStatus.objects.values_list("pk", flat=True))
    assert len(ledger.retry_many(keys)) == 1
    assert sorted(states()) == ["failed", "failed", "pending"]
    assert index.send(1).message_id == TaskStatus.objects.get(status="pending").task_id


# --- Wrong forms ----------------------------------------------------------------------------------


def wrong(document_id: int, word: str = "") -> None:
    """Do nothing."""


async def make_key(document_id: int) -> int:
    return document_id


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"unique": "text"}, "unique is 'text', must be True or a function of the actor's arguments"),
        ({"unique": 1}, "unique is 1, must be True or a function"),
        ({"unique": lambda: 1}, r"its unique function cannot be called like acting\.wrong\(document_id: int, word"),
        ({"unique": make_key}, "unique is the async function .* must be a plain one"),
        ({"while_": "pending"}, "while_ needs unique=True, or a function that returns the key"),
        ({"unique": True, "while_": "always"}, "while_ is 'always', must be 'pending', 'unfinished' or a timedelta"),
        ({"unique": True, "while_": 60}, r"while_ is 60, must be 'pending', .* ones: timedelta\(seconds=60\)"),
        ({"unique": False, "while_": "pending"}, "while_ needs a key, and unique=False means none: leave one of them"),
        ({"unique": False, "debounce": MINUTE}, "debounce needs a key, and unique=False means none"),
        ({"unique": True, "while_": -MINUTE}, "while_ is .* must be a timedelta from 1 millisecond to 3,650 days"),
        ({"unique": True, "while_": timedelta()}, "while_ is .* must be a timedelta from"),
        ({"debounce": -MINUTE}, "debounce is .* must be a timedelta from"),
        ({"debounce": 60}, r"debounce is 60, must be a timedelta from .* days: timedelta\(seconds=60\)"),
        ({"debounce": MINUTE, "debounce_max": timedelta(days=4_000)}, "debounce_max is .* to 3,650 days"),
        ({"debounce": MINUTE, "debounce_max": timedelta(seconds=2)}, "debounce_max is 0:00:02, must be at least"),
        ({"unique": True, "debounce_max": MINUTE}, "debounce_max needs debounce"),
        ({"debounce": MINUTE, "while_": "unfinished"}, "while_ is 'unfinished', must be 'pending' with debounce"),
    ],
)
def test_a_wrong_option_of_an_actor_is_refused(declare: Callable[..., Any], options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadActorError, match=rf"acting\.wrong: {told}"):
        declare(wrong, **options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"unique": [1]}, r"unique is \[1\], must be True, False, a text or an integer"),
        ({"unique": 1.5}, "unique is 1.5, must be True"),
        ({"while_": "always"}, "while_ is 'always', must be"),
        ({"while_": -MINUTE}, "while_ is .* must be a timedelta from"),
        ({"debounce": MINUTE, "delay": 1}, "has debounce=.* which is its delay: send it without another one"),
        ({"debounce_max": MINUTE}, "debounce_max needs debounce"),
        ({"unique": False, "debounce": MINUTE}, "debounce needs a key, and unique=False means none"),
        ({"unique": False, "while_": "pending"}, "while_ needs a key, and unique=False means none"),
        ({"unique": lambda document_id: 1}, "unique is the function .*: a function belongs on the actor"),
        ({"unique": lambda: 1}, "a function belongs on the actor"),
        ({"while_": 3600}, r"while_ is 3600, must be .*: timedelta\(seconds=3600\)"),
    ],
)
def test_a_wrong_option_of_a_send_is_refused(index: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadArgumentsError, match=told):
        index.send_with_options(args=(1,), **options)
    assert not TaskStatus.objects.exists()


def test_debounce_is_refused_at_the_send_of_an_actor_without_a_key(declare: Callable[..., Any]) -> None:
    with pytest.raises(BadArgumentsError, match="debounce needs a key, and unique=False means none"):
        declare(wrong, unique=False).send_with_options(args=(1,), debounce=MINUTE)


def test_while_without_unique_is_refused_at_the_send(declare: Callable[..., Any]) -> None:
    with pytest.raises(BadArgumentsError, match=r"acting\.wrong: while_ needs unique=True"):
        declare(wrong).send_with_options(args=(1,), while_="pending")


@pytest.mark.parametrize("returned", [[1], None, 1.5, True, b"1", {}])
def test_a_function_that_returns_no_key_is_refused(declare: Callable[..., Any], returned: Any) -> None:
    actor = declare(wrong, unique=lambda document_id: returned)
    with pytest.raises(
        BadArgumentsError, match=r"the unique function of acting\.wrong returned .*, must return a text"
    ):
        actor.send(1)
    assert not TaskStatus.objects.exists()


def test_a_function_that_raises_is_refused(declare: Callable[..., Any]) -> None:
    actor = declare(wrong, unique=lambda document_id: {}[document_id])
    with pytest.raises(BadArgumentsError, match=r"the unique function of acting\.wrong raised KeyError: '1'"):
        actor.send(1)
    with pytest.raises(BadArgumentsError, match=r"the unique function of acting\.wrong raised TypeError"):
        actor.send(1, "word")
    assert not TaskStatus.objects.exists()


def test_wrong_arguments_are_told_as_ever(index: Any) -> None:
    with pytest.raises(BadArgumentsError, match="cannot be called with"):
        index.send()
