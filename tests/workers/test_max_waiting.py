"""`max_waiting`: a send beyond what a queue or an actor takes is refused in the caller, with the figures."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.db import transaction
from dramatiq import Actor

from apps.core.busy import BusyError
from apps.tasks import ledger
from apps.tasks.errors import QueueFullError
from apps.tasks.models import TaskStatus
from apps.tasks.values import Send
from tests.acting import tasks
from tests.at_once import at_once
from workers.broker import LedgerBroker
from workers.middleware.max_waiting import BadMaxWaitingError
from workers.sending.back_pressure import PARTS, BackPressure

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _forgetful(broker: LedgerBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember no room of an earlier test."""
    monkeypatch.setattr(broker, "back_pressure", BackPressure(broker.actors))


@pytest.fixture
def limit(settings: Any) -> Callable[..., None]:
    """Declare the test's queues, some of them with a limit: `limit(slow=3)`."""

    def declare(**limits: int) -> None:
        known = dict.fromkeys(["default", "slow", "documents", "poison"])
        settings.TASK_QUEUES = {name: {"max_waiting": limits.get(name)} for name in known}

    return declare


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the queues and actors whose waiting tasks were counted."""
    counted: list[str] = []
    count = ledger.count_waiting

    def spy(column: str, name: str, *, limit: int) -> int:
        counted.append(name)
        return count(column, name, limit=limit)

    monkeypatch.setattr(ledger, "count_waiting", spy)
    return counted


def slow(number: int = 1) -> list[dramatiq.Message]:
    return [tasks.slow_effect.message(f"n{index}", 0) for index in range(number)]


def send_slow(number: int) -> None:
    for message in slow(number):
        dramatiq.get_broker().enqueue(message)


# --- Refusals ------------------------------------------------------------------------------------


def test_a_send_beyond_the_limit_of_its_queue_is_refused_with_the_figures(limit) -> None:
    limit(slow=3)
    send_slow(3)
    with pytest.raises(QueueFullError) as refused:
        send_slow(1)
    assert str(refused.value) == (
        "The queue 'slow' has 3 waiting tasks of 3 that it takes, so 1 more was refused (max_waiting)"
    )
    assert (refused.value.waiting, refused.value.max_waiting, refused.value.refused) == (3, 3, 1)
    assert isinstance(refused.value, BusyError)
    assert TaskStatus.objects.count() == 3
    tasks.effect.send("another queue")


def test_a_task_that_a_worker_took_makes_room(limit) -> None:
    limit(slow=1)
    send_slow(1)
    with pytest.raises(QueueFullError):
        send_slow(1)
    TaskStatus.objects.update(status="processing")
    send_slow(1)


def test_an_actor_may_have_a_limit_of_its_own(declare, limit) -> None:
    def rare() -> None:
        return None

    limit(default=10)
    actor = declare(rare, max_waiting=2)
    actor.send()
    actor.send_with_options(delay=60_000)
    with pytest.raises(QueueFullError, match=r"The actor 'acting.rare' has 2 waiting tasks of 2 that it takes, so 1"):
        actor.send()
    tasks.effect.send("n")


def test_of_many_messages_all_are_sent_or_none(broker, declare, limit) -> None:
    def rare() -> None:
        return None

    limit(slow=4)
    actor = declare(rare, max_waiting=1)
    broker.send_many(slow(2))
    with pytest.raises(QueueFullError, match="has 2 waiting tasks of 4 that it takes, so 3 more were refused"):
        broker.send_many(slow(3))
    with pytest.raises(QueueFullError, match=r"The actor 'acting.rare' has 0 waiting tasks of 1 that it takes, so 2"):
        broker.send_many([*slow(1), actor.message(), actor.message()])
    assert TaskStatus.objects.count() == 2
    broker.send_many(slow(2))


def test_sends_of_the_open_transaction_count_and_those_that_were_rolled_back_do_not(limit) -> None:
    limit(slow=2)
    with transaction.atomic():
        send_slow(2)
        with pytest.raises(QueueFullError):
            send_slow(1)
        # The caller may go on.
        assert TaskStatus.objects.count() == 2
        transaction.set_rollback(True)
    send_slow(2)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "9", 1_000_001])
def test_a_wrong_limit_is_refused_at_the_declaration(broker, value: Any) -> None:
    with pytest.raises(
        BadMaxWaitingError, match=r"acting.odd has max_waiting=.*, must be a whole number from 1 to 1,000,"
    ):
        dramatiq.actor(actor_name="acting.odd", max_waiting=value)(lambda: None)
    assert "acting.odd" not in broker.actors


def test_of_senders_at_the_same_time_none_exceeds_the_limit(limit) -> None:
    limit(slow=20)

    def send_until_full(sender: int) -> int:
        for number in range(100):
            try:
                send_slow(1)
            except QueueFullError:
                return number
        raise AssertionError(f"sender {sender} never met the limit")

    assert sum(at_once(send_until_full, times=6)) == TaskStatus.objects.count() == 20


# --- What is never refused -----------------------------------------------------------------------


@pytest.mark.usefixtures("working")
def test_follow_ups_and_retries_are_never_refused(declare, limit, ended, wait_until) -> None:
    """They are a part of a task that was accepted."""
    runs: list[int] = []

    def first() -> str:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("once")
        return "n"

    limit(default=1, slow=1)
    TaskStatus.objects.create(task_id="waits", task_name="acting.effect", queue_name="slow", run_at="2100-01-01T00:00Z")
    actor = declare(first, min_backoff=1, max_backoff=1, max_retries=1)
    (actor.message() | tasks.say.message().copy(queue_name="slow")).run()  # type: ignore[call-arg]
    second = wait_until(lambda: TaskStatus.objects.finished().filter(task_name="acting.say").first())
    assert (second.queue_name, second.result, len(runs)) == ("slow", "n", 2)
    with pytest.raises(QueueFullError):
        send_slow(1)


def test_the_slot_of_a_schedule_is_never_refused(broker, limit) -> None:
    limit(default=1)
    tasks.effect.send("n")
    message = tasks.effect.message("n").copy(options={"schedule": "nightly", "slot": "2026-11-28T03:00:00Z"})
    broker.send_many([message])
    broker.enqueue(message.copy(message_id="held"), delay=60_000)
    assert TaskStatus.objects.count() == 3


@pytest.fixture
def save(declare) -> Any:
    """An actor that takes one waiting task, and of which a number is one task."""

    def save(number: int, text: str = "") -> None:
        return None

    return declare(save, unique=lambda number, *_: number, max_waiting=1)


@pytest.mark.parametrize("is_in_transaction", [False, True])
def test_a_send_for_which_another_task_stands_is_not_refused(save, is_in_transaction: bool) -> None:
    first = save.send(1)
    with transaction.atomic() if is_in_transaction else nullcontext():
        assert save.send(1).message_id == first.message_id
        assert save.send_with_options(args=(2,), message_id=first.message_id).message_id == first.message_id
        with pytest.raises(QueueFullError):
            save.send(2)
    assert TaskStatus.objects.count() == 1


def test_a_debounced_send_to_a_full_actor_replaces_the_arguments(save) -> None:
    for text in "ab":
        save.send_with_options(args=(1, text), debounce=timedelta(minutes=1))
    assert TaskStatus.objects.get().args == [1, "b"]


def test_a_known_message_id_is_not_refused(limit) -> None:
    limit(slow=1)
    message = slow()[0]
    sent = [dramatiq.get_broker().enqueue(message) for _ in range(2)]
    assert [one.message_id for one in sent] == 2 * [message.message_id]
    assert not sent[1].was_new  # type: ignore[attr-defined]


def test_known_tasks_of_a_call_need_no_room(broker, limit) -> None:
    limit(slow=3)
    first, second, third, fourth = slow(4)
    broker.send_many([first, second])
    sent = broker.send_many([first, second, third, third])
    assert [one.was_new for one in sent] == [False, False, True, False]
    with pytest.raises(QueueFullError, match="so 1 more was refused"):
        broker.send_many([first, fourth])
    assert TaskStatus.objects.count() == 3


def test_a_task_that_ends_before_the_send_is_recorded_makes_no_room(save, monkeypatch) -> None:
    save.send(1)
    monkeypatch.setattr(ledger, "not_new", lambda sends, *, at_once: {0})
    with pytest.raises(QueueFullError):
        save.send(2)
    assert TaskStatus.objects.get().args == [1]


# --- Cost ----------------------------------------------------------------------------------------


def test_only_queues_and_actors_with_a_limit_pay(limit, counts) -> None:
    limit(slow=3)
    tasks.effect.send("n")
    assert counts == []


def test_near_the_limit_each_send_counts(limit, counts) -> None:
    limit(slow=PARTS)
    send_slow(PARTS)
    assert len(counts) >= PARTS


def test_far_from_the_limit_a_process_spends_a_part_of_the_room_without_counting(broker, limit, counts) -> None:
    limit(slow=4 * PARTS)
    send_slow(4)
    assert counts == ["slow"], "(128 - 1) // 32 = 3 are spent"
    send_slow(1)
    assert counts == ["slow"] * 2
    broker.send_many(slow(4))
    assert counts == ["slow"] * 3, "what is left is not enough for all of them"


def test_the_room_is_remembered_for_a_second(limit, counts, monkeypatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("workers.sending.back_pressure.time.monotonic", lambda: now)
    limit(slow=1_000)
    send_slow(2)
    now += 0.99
    send_slow(1)
    assert counts == ["slow"]
    now += 0.01
    send_slow(1)
    assert counts == ["slow"] * 2


def test_as_many_processes_as_there_are_parts_stay_below_the_limit_though_none_knows_of_the_others(
    limit, monkeypatch
) -> None:
    limit(slow=1_000)
    recorded = 0
    monkeypatch.setattr(ledger, "count_waiting", lambda column, name, *, limit: 0)
    send = Send(task_id="t", task_name="acting.slow_effect", queue_name="slow")
    for _ in range(PARTS):
        process = BackPressure(dramatiq.get_broker().actors)
        recorded += sent(process, send)
        monkeypatch.setattr(ledger, "count_waiting", full)
        for _ in spent(process, send):
            recorded += 1
        monkeypatch.setattr(ledger, "count_waiting", lambda column, name, *, limit: 0)
    assert 900 <= recorded <= 1_000 + PARTS


def full(column: str, name: str, *, limit: int) -> int:
    return limit


def sent(process: BackPressure, send: Send) -> int:
    numbers = process.limits_of([send])
    assert numbers is not None
    with process.room_for(numbers):
        return 1


def spent(process: BackPressure, send: Send) -> Iterator[None]:
    """Yield for each send that the process makes without counting anew."""
    try:
        while True:
            sent(process, send)
            yield
    except QueueFullError:
        return


def test_no_more_rows_are_counted_than_the_limit(declare) -> None:
    def rare() -> None:
        return None

    actor: Actor[..., Any] = declare(rare)
    for _ in range(3):
        actor.send()
    assert ledger.count_waiting("task_name", "acting.rare", limit=2) == 2
    assert ledger.count_waiting("task_name", "acting.rare", limit=5) == 3
    assert ledger.count_waiting("queue_name", "slow", limit=5) == 0
