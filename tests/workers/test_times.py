"""When a task may start, and until when: spans and instants, as callers write them and as messages carry them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import pytest
from django.utils import timezone

from apps.tasks.errors import BadOptionError
from apps.tasks.models import TaskStatus
from apps.tasks.values import GROUP_KEY
from tests.acting import tasks
from workers.sending.times import LONGEST_MS

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def refused(call: Callable[[], object]) -> str:
    """Return the error of a call, which must be refused."""
    with pytest.raises(BadOptionError) as caught:
        call()
    assert not TaskStatus.objects.exists()
    return str(caught.value)


def both_ways(**options: Any) -> str:
    """Return the error of a send and of a message with these options, which must be the same."""
    sent = refused(lambda: tasks.effect.send_with_options(args=("n",), **options))
    assert sent == refused(lambda: tasks.effect.message_with_options(args=("n",), **options))
    return sent


def sent(**options: Any) -> TaskStatus:
    message = tasks.effect.send_with_options(args=("n",), **options)
    return TaskStatus.objects.get(task_id=message.message_id)


@pytest.mark.parametrize("name", ["eta", "delay"])
def test_an_instant_is_the_earliest_time(broker, name: str) -> None:
    eta = timezone.now() + HOUR
    row = sent(**{name: eta})
    assert row.delayed
    assert eta <= row.run_at < eta + timedelta(minutes=1)


def test_an_instant_of_another_time_zone_is_the_same(broker) -> None:
    eta = timezone.now() + HOUR
    row = sent(eta=eta.astimezone(timezone.get_fixed_timezone(-330)))
    assert eta <= row.run_at < eta + timedelta(minutes=1)


@pytest.mark.parametrize("eta", [datetime.min.replace(tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)], ids=str)
def test_an_instant_that_has_passed_means_at_once(broker, eta: datetime) -> None:
    row = sent(eta=eta)
    assert not row.delayed
    assert row.run_at <= timezone.now()


def test_a_delay_may_be_a_timedelta_and_is_never_cut(broker) -> None:
    assert tasks.effect.message_with_options(args=("n",), delay=timedelta(microseconds=1)).options == {"delay": 1}
    row = sent(delay=HOUR)
    assert HOUR - timedelta(minutes=1) < row.run_at - row.created_at <= HOUR + timedelta(seconds=1)


def test_expires_as_a_span_counts_from_the_time_at_which_the_task_may_run(broker) -> None:
    for options in ({"delay": HOUR}, {"eta": timezone.now() + HOUR}, {}):
        row = sent(expires=HOUR, **options)
        assert row.expires_at is not None
        assert row.expires_at - row.run_at == pytest.approx(HOUR, abs=timedelta(milliseconds=5))


def test_expires_as_an_instant_is_that_instant(broker) -> None:
    expires = timezone.now() + 2 * HOUR
    for options in ({"delay": HOUR}, {"eta": timezone.now() + HOUR}, {}):
        row = sent(expires=expires, **options)
        assert row.expires_at is not None
        assert abs(row.expires_at - expires) < timedelta(minutes=1)


def test_expires_on_an_actor_holds_unless_the_send_says_otherwise(broker, declare) -> None:
    def hourly() -> None:
        pass

    actor = declare(hourly, expires=HOUR)
    expected = {"": HOUR, "max_age": timedelta(seconds=5), "expires": 2 * HOUR}
    for name, span in expected.items():
        value: Any = 5_000 if name == "max_age" else span
        message = actor.send_with_options(**({name: value} if name else {}))
        row = TaskStatus.objects.get(task_id=message.message_id)
        assert row.expires_at is not None
        assert row.expires_at - row.run_at == pytest.approx(span, abs=timedelta(milliseconds=5))


@pytest.mark.parametrize("name", ["eta", "expires", "delay"])
def test_a_naive_instant_is_refused_with_how_to_make_it_aware(broker, name: str) -> None:
    said = both_ways(**{name: datetime(2030, 1, 1)})
    assert said.startswith(f"{name} for acting.effect is datetime.datetime(2030, 1, 1, 0, 0), which has no time zone")
    assert "django.utils.timezone.make_aware(value)" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eta": 1_764_000_000_000}, "eta for acting.effect is 1764000000000, must be an aware datetime"),
        ({"eta": "2030-01-01T00:00:00Z"}, "must be an aware datetime such as timezone.now() + timedelta(hours=1)"),
        ({"eta": HOUR}, "delay takes milliseconds or a timedelta"),
        ({"eta": datetime(2030, 1, 1).date()}, "must be an aware datetime"),
        ({"eta": datetime.max.replace(tzinfo=UTC)}, "must be within ten years from now"),
        ({"expires": datetime.max.replace(tzinfo=UTC)}, "must be within ten years from now"),
        ({"expires": 3_600}, "must be a timedelta such as timedelta(hours=1), or an aware datetime; max_age takes"),
        ({"expires": True}, "must be a timedelta"),
        ({"expires": timedelta(days=-1)}, "expires for acting.effect is datetime.timedelta(days=-1), must be from 0"),
        ({"expires": timedelta.max}, "must be from 0 to ten years (3,650 days)"),
        ({"delay": timedelta(seconds=-1)}, "must be from 0 to ten years"),
        ({"delay": timedelta(days=3_651)}, "must be from 0 to ten years"),
        ({"delay": 1.5}, "(milliseconds: ten years), a timedelta, or an aware datetime"),
        ({"delay": 5, "eta": datetime(2030, 1, 1, tzinfo=UTC)}, "got both delay and eta: they say the same"),
        ({"max_age": 5, "expires": HOUR}, "got both max_age and expires: they say the same"),
    ],
    ids=str,
)
def test_a_time_that_is_none_is_refused(broker, options: dict[str, Any], words: str) -> None:
    assert words in both_ways(**options)


def test_a_task_that_would_expire_before_it_may_start_is_refused(broker) -> None:
    eta = timezone.now() + 2 * HOUR
    said = refused(lambda: tasks.effect.send_with_options(args=("n",), eta=eta, expires=eta - HOUR))
    assert "expires for acting.effect is " in said
    assert "before its delay, eta or debounce, so it could never start" in said


def test_times_of_a_message_count_when_it_is_sent_later(broker) -> None:
    eta = timezone.now() + HOUR
    broker.enqueue(tasks.effect.message_with_options(args=("n",), eta=eta, expires=HOUR))
    broker.send_many([tasks.effect.message_with_options(args=("n",), eta=eta, expires=HOUR)])
    broker.enqueue(tasks.effect.message_with_options(args=("n",), delay=HOUR, expires=HOUR))
    dramatiq.group([tasks.effect.message_with_options(args=("n",), eta=eta, expires=HOUR)]).run(delay=5)
    for row in TaskStatus.objects.all():
        assert eta <= row.run_at < eta + timedelta(minutes=1)
        assert row.expires_at is not None
        assert row.expires_at > eta + HOUR - timedelta(minutes=1)
        assert set(row.options) <= {GROUP_KEY}
    assert TaskStatus.objects.count() == 4


def test_the_later_one_of_two_delays_counts(broker) -> None:
    message = tasks.effect.message_with_options(args=("n",), delay=5)
    broker.enqueue(message, delay=HOUR)
    assert TaskStatus.objects.get().run_at > timezone.now() + HOUR / 2


@pytest.mark.parametrize("name", ["eta", "expires"])
@pytest.mark.parametrize("value", ["soon", 10**5_000, -(10**5_000), 1.5, True, datetime(2030, 1, 1)], ids=range(6))
def test_an_instant_in_a_message_made_by_hand_is_checked_as_well(broker, name: str, value: Any) -> None:
    message = tasks.effect.message("n").copy(options={name: value})
    if value == -(10**5_000):
        broker.enqueue(message)
        assert TaskStatus.objects.get().run_at <= timezone.now()
    else:
        assert f"option '{name}' for acting.effect is" in refused(lambda: broker.enqueue(message))


@pytest.mark.parametrize("name", ["delay", "eta", "expires", "max_age"])
@pytest.mark.parametrize(
    "value",
    [None, -1, 10**5_000, -(10**5_000), 1.5, "soon", True, [1], timedelta.max, timedelta.min, datetime.min,
     datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=timezone.get_fixed_timezone(840))],
    ids=range(13),
)  # fmt: skip
def test_any_time_of_what_follows_a_task_becomes_one_that_a_row_can_hold(broker, name: str, value: Any) -> None:
    message = tasks.say.message("a").copy(options={name: value})
    for send in (broker.follow_up_of(message), broker.follow_up_of(tasks.say.message("a"), delay=value)):
        assert 0 <= send.delay_ms <= LONGEST_MS
        assert send.max_age_ms is None or -LONGEST_MS <= send.max_age_ms <= LONGEST_MS


def test_an_absurd_instant_of_what_follows_is_refused_in_the_caller(broker) -> None:
    last = tasks.say.message_with_options().copy(options={"eta": 10**20})
    assert "'eta' of a message that follows" in refused((tasks.say.message("a") | last).run)


@pytest.mark.django_db(transaction=True)
@pytest.mark.redis
def test_instants_survive_in_what_follows_a_task(working, ended, wait_until) -> None:
    eta, past = timezone.now() + 2 * HOUR, timezone.now() - HOUR
    pipe = tasks.say.message("a") | tasks.say.message_with_options(eta=eta, expires=eta + HOUR)
    pipe.run()
    late = tasks.say.message("a") | tasks.say.message_with_options(expires=past)
    late.run()
    group = dramatiq.group([tasks.say.message("a")])
    callback = tasks.say.message_with_options(args=("all",), eta=eta, expires=eta + HOUR)
    group.add_completion_callback(callback)
    group.run()
    ended(pipe.messages[0])
    for message in (pipe.messages[1], callback):
        row = wait_until(TaskStatus.objects.filter(task_id=message.message_id).first)
        assert eta <= row.run_at < eta + timedelta(minutes=1)
        assert abs(row.expires_at - (eta + HOUR)) < timedelta(minutes=1)
    expired = ended(late.messages[1])
    assert (expired.status, expired.error_message) == ("failed", "It was not started before it expired.")


@pytest.mark.django_db(transaction=True)
@pytest.mark.redis
@pytest.mark.parametrize("years", [0, 50])
def test_a_send_that_has_expired_already_is_recorded_as_expired(working, ended, years: int) -> None:
    expires = timezone.now() - timedelta(seconds=1) - years * timedelta(days=365)
    row = ended(tasks.effect.send_with_options(args=("n",), expires=expires))
    assert (row.status, row.error_message) == ("failed", "It was not started before it expired.")
    assert row.expires_at is not None
    assert row.expires_at < timezone.now()
