"""`raise Snooze(delay=...)`: a task that puts itself off has neither failed nor ended."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.db import OperationalError
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.errors import BadSnoozeError, Snooze
from apps.tasks.models import TaskAttempt, TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from workers.middleware.snooze import DEFAULT_MAX_SNOOZES, BadMaxSnoozesError
from workers.process.attempt import Attempt

TEN_YEARS = timedelta(days=3650)

running = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("working"),
    pytest.mark.redis,
]


def runs_again_and_again(times: int, *, delay: Any = 1) -> Callable[[], int]:
    """Return a function that puts itself off that often, and then returns the number of its attempt."""

    def waits() -> int:
        current = Attempt.current()
        assert current is not None
        if current.claim.attempt < times:
            raise Snooze(delay=delay)
        return current.claim.attempt

    return waits


def of(task_name: str) -> Any:
    return TaskStatus.objects.filter(task_name=task_name)


# --- The exception -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delay", "milliseconds"),
    [
        (0, 0),
        (1_500, 1_500),
        (timedelta(microseconds=1_500), 2),
        (timedelta(minutes=5), 300_000),
        (TEN_YEARS, 315_360_000_000),
    ],
)
def test_a_delay_is_a_timedelta_or_whole_milliseconds(delay: Any, milliseconds: int) -> None:
    assert Snooze(delay=delay).delay_ms == milliseconds


@pytest.mark.parametrize(
    ("delay", "shown"),
    [
        (-1, "-1"),
        (timedelta(seconds=-1), "datetime.timedelta(days=-1, seconds=86399)"),
        (TEN_YEARS + timedelta(days=1), "datetime.timedelta(days=3651)"),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        ("5m", "'5m'"),
        pytest.param(10**5_000, "of type int", id="more digits than Python writes"),
    ],
)
def test_another_delay_is_refused_with_what_is_right(delay: Any, shown: str) -> None:
    with pytest.raises(BadSnoozeError) as refused:
        Snooze(delay=delay)
    assert str(refused.value) == (
        f"the delay of a snooze is {shown}, must be a timedelta or whole milliseconds, from 0 to ten years"
    )


@pytest.mark.parametrize("value", [-1, 30_001, 1.5, True, None, "3"])
def test_a_wrong_limit_is_refused_at_the_declaration(broker, value: Any) -> None:
    with pytest.raises(BadMaxSnoozesError, match=f"acting.waits has max_snoozes={value!r}, must be a whole number"):
        dramatiq.actor(actor_name="acting.waits", max_snoozes=value)(lambda: None)
    assert "acting.waits" not in broker.actors


# --- A snoozed task ------------------------------------------------------------------------------


class TestSnoozed:
    pytestmark = running

    def test_it_runs_again_without_a_retry_and_without_a_failure(self, declare, ended) -> None:
        row = ended(declare(runs_again_and_again(3), max_retries=0).send())
        assert (row.status, row.result, row.attempt, row.snoozes) == ("completed", 3, 3, 3)
        assert (row.retries, row.crashes, row.error_message) == (0, 0, "")
        assert not TaskAttempt.objects.exists()

    def test_it_is_pending_until_its_time(self, declare, wait_until) -> None:
        message = declare(runs_again_and_again(1, delay=timedelta(hours=1))).send()
        row = wait_until(lambda: TaskStatus.objects.filter(snoozes=1).first())
        assert (row.task_id, row.status, row.delayed, row.worker_id) == (message.message_id, "pending", True, None)
        assert timedelta(minutes=59) < row.run_at - timezone.now() <= timedelta(hours=1)

    def test_nothing_that_follows_a_failure_or_a_success_is_sent_before_the_end(
        self, declare, ended, wait_until
    ) -> None:
        actor = declare(runs_again_and_again(2), on_failure="acting.say", on_success="acting.note_success")
        message = actor.send()
        assert ended(message).snoozes == 2
        sent = wait_until(lambda: of("acting.note_success").finished().first())
        assert sent.result == [message.message_id, 2]
        assert of("acting.note_success").count() == 1
        assert not of("acting.say").exists()

    def test_a_pipeline_goes_on_at_the_end(self, declare, wait_until) -> None:
        (declare(runs_again_and_again(2)).message() | tasks.add.message(40)).run()  # type: ignore[call-arg]
        assert wait_until(lambda: of("acting.add").finished().first()).result == 42
        assert of("acting.add").count() == 1

    def test_a_group_counts_its_end(self, declare, wait_until) -> None:
        group = dramatiq.group([declare(runs_again_and_again(2)).message(), tasks.add.message(1, 1)])
        group.add_completion_callback(tasks.say.message("all done"))
        group.run()
        assert wait_until(lambda: of("acting.say").finished().first()).result == "all done"
        assert of("acting.waits").get().snoozes == 2

    def test_neither_throws_nor_retry_when_is_asked(self, declare, ended) -> None:
        asked: list[Any] = []
        row = ended(
            declare(runs_again_and_again(1), throws=Exception, retry_when=lambda *told: asked.append(told)).send()
        )
        assert (row.status, row.snoozes, asked) == ("completed", 1, [])

    def test_an_actor_may_fail_and_snooze(self, declare, ended) -> None:
        def waits() -> str:
            number = TaskStatus.objects.values_list("attempt", flat=True).get()
            if number == 0:
                raise RuntimeError("once")
            if number == 1:
                raise Snooze(delay=0)
            return "done"

        row = ended(declare(waits, max_retries=1, min_backoff=1, max_backoff=1).send())
        assert (row.status, row.retries, row.snoozes, row.attempt) == ("completed", 1, 1, 2)
        assert list(TaskAttempt.objects.values_list("outcome", "error_message")) == [("retry", "once")]

    def test_a_transactional_actor_loses_what_it_wrote(self, declare, ended) -> None:
        def waits() -> int:
            number: int = TaskStatus.objects.exclude(status="completed").values_list("attempt", flat=True).first() or 0
            Effect.objects.create(nonce="n", task_id="t", attempt=number, pid=0)
            tasks.say.send(number)
            if number < 2:
                raise Snooze(delay=1)
            return number

        row = ended(declare(waits, transactional=True).send())
        assert (row.status, row.snoozes) == ("completed", 2)
        assert [effect.attempt for effect in Effect.objects.all()] == [2]
        assert of("acting.say").count() == 1

    def test_an_async_actor_snoozes_as_well(self, declare, ended) -> None:
        seen: list[int] = []

        async def waits() -> int:
            seen.append(1)
            if len(seen) < 3:
                raise Snooze(delay=1)
            return len(seen)

        row = ended(declare(waits).send())
        assert (row.status, row.result, row.snoozes, row.retries) == ("completed", 3, 2, 0)

    def test_its_log_line_is_no_warning(self, declare, ended, caplog) -> None:
        caplog.set_level(logging.INFO, logger="workers")
        message = declare(runs_again_and_again(1)).send()
        ended(message)
        lines = [line for line in caplog.records if line.name == "workers.middleware.progress"]
        assert [line.levelname for line in lines] == ["INFO", "INFO"]
        assert (
            lines[0]
            .getMessage()
            .startswith(f"task snoozed id={message.message_id} actor=acting.waits status=pending attempt=0")
        )

    def test_a_database_that_does_not_answer_for_a_moment_fails_no_task(self, declare, ended, monkeypatch) -> None:
        def away(claim: Any) -> int:
            raise OperationalError("away")

        monkeypatch.setattr(ledger, "snoozes_of", away)
        row = ended(declare(runs_again_and_again(1)).send())
        assert (row.status, row.snoozes) == ("completed", 1)


# --- One that fails ------------------------------------------------------------------------------


class TestFailed:
    pytestmark = running

    def test_one_more_than_the_limit_fails_with_the_reason(self, declare, ended) -> None:
        row = ended(declare(runs_again_and_again(99), max_snoozes=2).send())
        assert (row.status, row.snoozes, row.retries) == ("failed", 2, 0)
        assert row.error_type == "apps.tasks.errors.TooManySnoozesError"
        assert row.error_message == "It was put off 2 times, and max_snoozes allows no more."

    def test_the_limit_is_a_hundred_unless_the_actor_says_otherwise(self, declare, ended, monkeypatch) -> None:
        monkeypatch.setattr(ledger, "snoozes_of", lambda claim: DEFAULT_MAX_SNOOZES)
        row = ended(declare(runs_again_and_again(99)).send())
        assert (row.status, row.error_message) == (
            "failed",
            "It was put off 100 times, and max_snoozes allows no more.",
        )

    def test_an_actor_may_refuse_to_be_put_off(self, declare, ended) -> None:
        assert ended(declare(runs_again_and_again(1), max_snoozes=0).send()).status == "failed"

    @pytest.mark.parametrize("hook", ["on_failure", "on_retry_exhausted"])
    def test_what_follows_a_failure_is_sent_once(self, declare, ended, wait_until, hook: str) -> None:
        ended(declare(runs_again_and_again(99), max_snoozes=1, **{hook: "acting.note_success"}).send())
        wait_until(lambda: of("acting.note_success").finished().first())
        assert of("acting.note_success").count() == 1

    def test_throws_does_not_hide_the_end(self, declare, ended, wait_until) -> None:
        options = {"throws": Exception, "on_retry_exhausted": "acting.note_success"}
        ended(declare(runs_again_and_again(99), max_snoozes=0, **options).send())
        assert wait_until(lambda: of("acting.note_success").finished().first())

    def test_a_wrong_delay_fails_with_what_is_right_and_is_not_retried(self, declare, ended) -> None:
        row = ended(declare(runs_again_and_again(99, delay="soon")).send())
        assert (row.status, row.retries, row.snoozes) == ("failed", 0, 0)
        assert row.error_message.startswith("the delay of a snooze is 'soon', must be a timedelta or whole millis")
