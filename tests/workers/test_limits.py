"""Limited tasks on a real worker: they wait as rows, and take no thread and no retry meanwhile."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
from django.db import transaction

from apps.tasks import health
from apps.tasks.errors import BadArgumentsError
from apps.tasks.limits import declared
from apps.tasks.limits.declared import BadLimitError
from apps.tasks.models import Limit, TaskStatus
from tests.waiting import PATIENCE_SECONDS, wait_until
from workers.relay import Relay
from workers.wire.message import LINES_QUEUE

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


class Doors:
    """Where tasks of the test's worker wait. It counts those that are inside, and the most at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside: Counter[Any] = Counter()
        self.most: Counter[Any] = Counter()
        self.order: list[Any] = []
        self.leave = threading.Semaphore(0)

    def pass_through(self, key: Any = "") -> None:
        with self.lock:
            self.inside[key] += 1
            self.most[key] = max(self.most[key], self.inside[key])
            self.order.append(key)
        assert self.leave.acquire(timeout=PATIENCE_SECONDS)
        with self.lock:
            self.inside[key] -= 1

    def open(self, count: int) -> None:
        self.leave.release(count)


@pytest.fixture
def doors() -> Iterator[Doors]:
    found = Doors()
    yield found
    found.open(1_000)


@pytest.fixture
def limited(declare: Callable[..., Any], doors: Doors) -> Iterator[Callable[..., Any]]:
    """Declare an actor with limits that waits at the doors under its first argument."""

    def limited(**options: Any) -> Any:
        def wait(door: Any = "") -> None:
            doors.pass_through(door)

        return declare(wait, max_retries=0, **options)

    yield limited
    declared.declare("acting.wait", {})


def wait_for_all(*messages: Any) -> None:
    ids = [message.message_id for message in messages]
    wait_until(lambda: TaskStatus.objects.filter(task_id__in=ids, status="completed").count() == len(ids))


def test_no_more_tasks_run_than_have_places_and_all_run(limited, doors, working) -> None:
    actor = limited(concurrency=2)
    sent = [actor.send() for _ in range(6)]
    wait_until(lambda: doors.inside[""] == 2)
    assert TaskStatus.objects.in_line().count() == 4
    doors.open(6)
    wait_for_all(*sent)
    assert doors.most[""] == 2
    assert set(TaskStatus.objects.values_list("attempt", "retries")) == {(0, 0)}


def test_each_key_has_places_of_its_own(limited, doors, working) -> None:
    actor = limited(concurrency=1, limit_key=lambda key="": key)
    sent = [actor.send(key) for key in "aabb"]
    wait_until(lambda: doors.inside == {"a": 1, "b": 1})
    doors.open(4)
    wait_for_all(*sent)
    assert doors.most == {"a": 1, "b": 1}


def test_one_task_of_an_owner_does_not_wait_for_the_many_of_another(limited, doors, working) -> None:
    actor = limited(fair_by=lambda key="": key)
    with transaction.atomic():
        many = [actor.send("big") for _ in range(50)]
    wait_until(lambda: doors.inside["big"] == 3)
    few = actor.send("small")
    # The last of four threads is left to others, so none of the many has to end.
    wait_until(lambda: doors.inside["small"] == 1)
    assert doors.most["big"] == 3
    doors.open(51)
    wait_for_all(few, *many)


def test_limited_and_other_tasks_do_not_wait_for_each_other(limited, declare, doors, working) -> None:
    actor = limited(concurrency=1)
    waiting = [actor.send() for _ in range(5)]

    def free() -> None:
        pass

    other = declare(free).send()
    wait_for_all(other)
    doors.open(5)
    wait_for_all(*waiting)


def test_a_send_that_is_rolled_back_leaves_no_one_in_line(limited, broker) -> None:
    actor = limited(concurrency=1)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        actor.send()
        raise ZeroDivisionError
    assert not TaskStatus.objects.exists()
    assert broker.wire.wait_for_lines(timeout_seconds=0.01) == []


def test_a_relay_is_told_once_of_a_line_however_many_tasks_are_sent(limited, broker) -> None:
    actor = limited(concurrency=1, limit_key=lambda key="": key)
    broker.send_many([actor.message(key) for key in "aab"])
    actor.send("b")
    assert sorted(broker.wire.wait_for_lines(timeout_seconds=1)) == [("acting.wait", "a"), ("acting.wait", "b")]
    assert broker.wire.wait_for_lines(timeout_seconds=0.01) == []


def test_words_in_the_queue_of_lines_that_are_not_ours_are_left_out(broker, redis_client) -> None:
    broker.wire.tell_lines([("a", "b")])
    for word in ("x", "[1]", "[1, 2]", "{}", "\udcff".encode("utf-8", "surrogateescape")):
        redis_client.rpush(broker.wire.queue_key(LINES_QUEUE), word)
    assert broker.wire.wait_for_lines(timeout_seconds=1) == [("a", "b")]


def test_the_queue_of_lines_may_be_damaged(broker, redis_client) -> None:
    for key in (broker.wire.queue_key(LINES_QUEUE), broker.wire.messages_key(LINES_QUEUE)):
        redis_client.set(key, "damaged")
    assert broker.wire.wait_for_lines(timeout_seconds=0.01) == []
    broker.wire.tell_lines([("a", "b")])
    assert broker.wire.wait_for_lines(timeout_seconds=1) == [("a", "b")]


def test_a_relay_finds_the_lines_by_itself(limited, broker, redis_client) -> None:
    actor = limited(concurrency=2)
    for _ in range(3):
        actor.send()
    redis_client.flushdb()
    assert Relay(broker).admit() == 2
    assert redis_client.llen(broker.wire.queue_key("default")) == 2
    assert Relay(broker).admit() == 0


def test_a_delayed_limited_task_is_admitted_at_its_time(limited, doors, working) -> None:
    actor = limited(concurrency=1)
    doors.open(1)
    wait_for_all(actor.send_with_options(delay=50))


def test_the_next_task_of_a_pipeline_and_a_callback_may_be_limited(limited, declare, doors, working) -> None:
    actor = limited(concurrency=1)

    def first() -> str:
        return "piped"

    doors.open(1)
    pipeline = declare(first).message() | actor.message()
    pipeline.run()
    wait_until(lambda: TaskStatus.objects.filter(status="completed").count() == 2)
    assert doors.order == ["piped"]


def test_a_key_function_that_fails_refuses_the_send(limited, broker) -> None:
    actor = limited(concurrency=1, limit_key=lambda key="": [key])
    with pytest.raises(BadArgumentsError, match=r"the limit_key of acting.wait returned \['a'\]"):
        actor.send("a")
    with pytest.raises(BadArgumentsError):
        broker.send_many([actor.message("a")])
    assert not TaskStatus.objects.exists()


def test_a_pipeline_whose_next_task_has_a_bad_key_fails_and_says_so(limited, declare, working, ended) -> None:
    actor = limited(concurrency=1, limit_key=lambda key="": [key])

    def first() -> str:
        return "piped"

    pipeline = declare(first, max_retries=0).message() | actor.message()
    pipeline.run()
    row = ended(pipeline.messages[0])
    assert row.status == "failed"
    assert "returned ['piped']" in row.error_message


def test_a_weight_of_a_send_is_kept_with_the_row(limited, broker) -> None:
    message = limited(concurrency=5).send_with_options(weight=4)
    row = TaskStatus.objects.get(task_id=message.message_id)
    assert (row.line, row.in_line, row.weight, row.options) == ("", True, 4, {})
    with pytest.raises(BadArgumentsError, match=r"weight for acting\.wait is 6, must be a whole number from 1 to 5"):
        dramatiq.get_broker().get_actor("acting.wait").send_with_options(weight=6)


def test_a_limit_that_staff_change_is_in_force_at_once(limited, doors, working) -> None:
    actor = limited(concurrency=1)
    sent = [actor.send() for _ in range(3)]
    wait_until(lambda: doors.inside[""] == 1)
    Limit.objects.filter(task_name="acting.wait").update(concurrency=3)
    wait_until(lambda: doors.inside[""] == 3)
    doors.open(3)
    wait_for_all(*sent)


def test_a_retry_gives_its_place_up_and_waits_in_line_again(limited, declare, working, doors) -> None:
    calls = []

    def wait(key: Any = "") -> None:
        calls.append(key)
        if len(calls) == 1:
            raise ValueError("once")

    actor = declare(wait, concurrency=1, max_retries=1, min_backoff=1, max_backoff=1)
    wait_for_all(*[actor.send(name) for name in "ab"])
    assert sorted(calls) == ["a", "a", "b"]
    declared.declare("acting.wait", {})


def test_a_bad_limit_is_refused_at_the_declaration(declare, broker) -> None:
    def some() -> None:
        pass

    with pytest.raises(BadLimitError, match="rate_limit='10 per', must be a number"):
        declare(some, rate_limit="10 per")
    assert "acting.some" not in broker.actors


def test_a_limit_that_cannot_be_read_does_not_hold_up_the_others(limited, declare, doors, working, caplog) -> None:
    """Another program wrote it."""
    actor = limited(concurrency=1)

    def other() -> None:
        pass

    broken = declare(other, concurrency=1)
    wait_until(lambda: Limit.objects.filter(task_name="acting.other").exists())
    Limit.objects.filter(task_name="acting.other").update(rate_limit="10 per")
    broken.send()
    doors.open(1)
    wait_for_all(actor.send())
    wait_until(lambda: "limit cannot be read actor=acting.other" in caplog.text)
    Limit.objects.filter(task_name="acting.other").update(rate_limit="")
    wait_until(lambda: TaskStatus.objects.filter(task_name="acting.other", status="completed").exists())
    declared.declare("acting.other", {})


def test_more_tasks_than_one_transaction_admits_are_admitted_in_one_look(limited, broker, monkeypatch) -> None:
    monkeypatch.setattr("apps.tasks.ledger.admission.PAGE", 3)
    monkeypatch.setattr("apps.tasks.ledger.admission.LINES", 2)
    actor = limited(concurrency=4, limit_key=lambda key="": key)
    broker.send_many([actor.message(key) for key in "aaaaabbbbccd"])
    assert Relay(broker).admit() == 11
    assert TaskStatus.objects.in_line().get().line == "a"


def test_a_task_in_line_is_no_sign_of_a_queue_that_is_not_worked(limited, broker) -> None:
    limited(concurrency=1).send()
    assert health.look().oldest == {}


@pytest.mark.parametrize("option", ["limit_key", "fair_by", "weight"])
def test_a_function_that_cannot_be_called_like_the_actor_is_refused_at_the_declaration(declare, broker, option) -> None:
    def some(one: int, *, two: int) -> None:
        pass

    async def later(one: int, *, two: int) -> int:
        return one

    limits = {} if option == "fair_by" else {"concurrency": 1}
    with pytest.raises(BadLimitError, match=rf"its {option} function cannot be called like acting\.some\(one"):
        declare(some, **limits, **{option: lambda one: one})
    with pytest.raises(BadLimitError, match=f"its {option} is an async function"):
        declare(some, **limits, **{option: later})
    assert "acting.some" not in broker.actors
