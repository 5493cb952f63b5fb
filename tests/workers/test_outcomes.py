"""Outcomes of tasks, in Dramatiq's own terms: results, retries, pipelines, limits."""

import uuid

import dramatiq
import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from dramatiq.middleware import CurrentMessage
from dramatiq.results import ResultFailure, ResultMissing, ResultTimeout

from apps.tasks import ledger
from apps.tasks.errors import SupersededError
from apps.tasks.models import TaskAttempt, TaskStatus
from apps.tasks.values import Claim
from tests.acting import tasks
from tests.acting.models import Effect
from workers.process.attempt import Attempt, ClaimedMessage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("working")]


def test_a_result_is_read_from_the_row() -> None:
    message = tasks.add.send(1, 2)
    assert message.get_result(block=True) == 3
    row = TaskStatus.objects.get()
    assert (row.status, row.progress, row.result) == ("completed", 100, 3)
    assert row.claimed_at is not None
    assert row.started_at is not None
    assert row.started_at >= row.claimed_at >= row.run_at


def test_a_result_is_missing_until_the_task_has_ended() -> None:
    message = tasks.add.send_with_options(args=(1, 2), delay=60_000)
    with pytest.raises(ResultMissing):
        message.get_result()
    with pytest.raises(ResultTimeout):
        message.get_result(block=True, timeout=50)


def test_waiting_for_a_result_inside_the_sending_transaction_is_refused() -> None:
    with transaction.atomic():
        message = tasks.add.send(1, 2)
        with pytest.raises(RuntimeError, match="inside a transaction"):
            message.get_result(block=True)


def test_a_failure_raises_dramatiqs_own_error() -> None:
    message = tasks.expected.send()
    with pytest.raises(ResultFailure, match=r"^actor raised KeyError: 'expected'$") as raised:
        message.get_result(block=True)
    assert (raised.value.orig_exc_type, raised.value.orig_exc_msg) == ("KeyError", "'expected'")


def test_a_cancelled_task_is_a_failure_without_an_exception(ended) -> None:
    message = tasks.add.send_with_options(args=(1, 2), delay=60_000)
    assert ledger.cancel(message.message_id)
    with pytest.raises(ResultFailure, match=r"^the task was cancelled$") as raised:
        message.get_result(block=True)
    assert (raised.value.orig_exc_type, raised.value.orig_exc_msg) == ("cancelled", "")


def test_a_task_whose_result_is_not_stored_completes(ended) -> None:
    row = ended(tasks.say_without_result.send())
    assert (row.status, row.result) == ("completed", None)


@pytest.mark.parametrize(
    ("kind", "status", "result"),
    [
        ("nul", "completed", {"te\ufffdxt": ["a\ufffdb"]}),
        ("surrogate", "completed", "?"),
        ("nan", "failed", None),
        ("bytes", "failed", None),
        ("object", "failed", None),
    ],
)
def test_an_odd_result_is_stored_readable_or_fails_only_its_task(kind, status, result, ended) -> None:
    odd, neighbours = tasks.say_odd.send(kind), [tasks.add.send(n, n) for n in range(5)]
    row = ended(odd)
    assert (row.status, row.result) == (status, result)
    assert [ended(message).result for message in neighbours] == [0, 2, 4, 6, 8]


def test_a_nul_in_an_error_is_stored_readable(ended) -> None:
    row = ended(tasks.say_odd.send("nul error"))
    assert row.error_message == "nul \ufffd inside"
    assert "RuntimeError: nul \ufffd inside" in row.traceback


def test_retries_are_attempts_of_one_row(ended) -> None:
    row = ended(tasks.fail_times.send(2))
    assert (row.status, row.attempt, row.retries, row.crashes, row.result) == ("completed", 2, 2, 0, 2)
    assert row.error_message == ""
    kept = list(TaskAttempt.objects.values_list("attempt", "outcome", "error_message"))
    assert kept == [(0, "retry", "attempt 0 fails"), (1, "retry", "attempt 1 fails")]


def test_max_retries_end_in_failure_with_every_error_kept(ended) -> None:
    row = ended(tasks.fail_times.send(99))
    assert (row.status, row.retries, row.error_message) == ("failed", 3, "attempt 3 fails")
    assert "RuntimeError: attempt 3 fails" in row.traceback
    assert list(TaskAttempt.objects.values_list("outcome", flat=True)) == ["retry", "retry", "retry", "fail"]


def test_throws_fails_at_once(ended) -> None:
    row = ended(tasks.expected.send())
    assert (row.status, row.retries) == ("failed", 0)


def test_a_retry_with_a_delay_waits_for_the_delay(ended) -> None:
    row = ended(tasks.ask_again.send())
    assert (row.status, row.result, row.retries) == ("completed", "now", 1)
    attempt = TaskAttempt.objects.get()
    assert (row.run_at - attempt.ended_at).total_seconds() == pytest.approx(0.1, abs=0.05)


def test_retry_when_decides_about_a_retry(ended) -> None:
    assert ended(tasks.never_again.send()).retries == 1


def test_exhausted_retries_send_the_declared_actor(ended, wait_until) -> None:
    message = tasks.exhaust.send()
    assert ended(message).status == "failed"
    sent = wait_until(lambda: TaskStatus.objects.finished().filter(task_name="acting.exhausted").first())
    assert sent.result == {"task_id": message.message_id, "retries": 1, "max_retries": 1}


def test_callbacks_are_sent_with_the_outcome(ended, wait_until) -> None:
    happy = tasks.add.send_with_options(args=(1, 2), on_success="acting.note_success")
    assert ended(happy).status == "completed"
    sent = wait_until(lambda: TaskStatus.objects.finished().filter(task_name="acting.note_success").first())
    assert sent.result == [happy.message_id, 3]


def test_a_pipeline_passes_results_on(ended) -> None:
    pipe = tasks.add.message(1, 2) | tasks.add.message(3) | tasks.add.message(4)  # type: ignore[call-arg]
    pipe.run()
    assert pipe.get_result(block=True) == 10
    assert TaskStatus.objects.finished().count() == 3


def test_a_time_limit_fails_the_task_and_keeps_the_worker(ended) -> None:
    row = ended(tasks.too_long.send())
    assert row.status == "failed"
    assert "TimeLimitExceeded" in row.error_message
    assert ended(tasks.add.send(1, 2)).result == 3


def test_a_task_that_swallows_its_interrupt_is_interrupted_once(ended) -> None:
    row = ended(tasks.stubborn.send())
    assert (row.status, row.result) == ("completed", "swallowed")


def test_an_async_actor_reports_and_returns(ended) -> None:
    row = ended(tasks.hello.send("you"))
    assert (row.status, row.result, row.progress_text) == ("completed", "Hello you", "Half-way")


def test_a_task_sent_by_a_task_has_the_same_owner(ended) -> None:
    user = get_user_model().objects.create_user("writer")
    message = tasks.send_child.send_with_options(args=("n",), owner_id=user.pk)
    child = TaskStatus.objects.get(task_id=ended(message).result)
    assert child.owner == user


def test_progress_is_written_while_the_task_runs(gate, wait_until) -> None:
    message = gate.send("n")
    row = wait_until(lambda: TaskStatus.objects.filter(task_id=message.message_id, progress__gt=5).first())
    assert row.status == "processing"
    assert row.started_at is not None
    assert row.progress_text.startswith("Step ")


def test_an_expired_task_never_runs(ended, broker) -> None:
    message = tasks.effect.send_with_options(args=("n",), max_age=0)
    assert ended(message).status == "failed"
    assert not Effect.objects.exists()


def test_a_delayed_task_runs_at_its_time(ended) -> None:
    row = ended(tasks.effect.send_with_options(args=("n",), delay=300))
    assert row.run_at <= row.started_at


def test_a_transactional_actor_commits_its_effect_with_its_completion(ended) -> None:
    row = ended(tasks.transactional_effect.send("n"))
    assert (row.status, row.result) == ("completed", "n")
    assert Effect.objects.get().nonce == "n"


def test_a_transactional_actor_that_fails_leaves_no_effect(ended) -> None:
    assert ended(tasks.transactional_failure.send("n")).status == "failed"
    assert not Effect.objects.exists()


def test_a_superseded_transactional_actor_leaves_no_effect(broker) -> None:
    message = tasks.transactional_effect.message("n")
    ledger.record([broker.send_of(message)])
    row_id = TaskStatus.objects.get().pk
    claim = Claim(task_id=message.message_id, row_id=row_id, attempt=0, claim_id=uuid.uuid4(), worker_id=uuid.uuid4())
    ledger.claim([(claim.task_id, 0)], claim_id=claim.claim_id, worker_id=claim.worker_id)
    ledger.rescue(claim.worker_id, max_crashes=3)
    attempt = Attempt(message.copy(options={"attempt": 0}), claim)
    attempt.begin()
    claimed = ClaimedMessage(attempt)
    CurrentMessage().before_process_message(broker, claimed)
    try:
        with pytest.raises(SupersededError):
            tasks.transactional_effect("n")
    finally:
        Attempt.end_ending()
        CurrentMessage().after_process_message(broker, claimed)
    assert attempt.outcome is None
    assert not Effect.objects.exists()


def test_an_async_transactional_actor_is_refused_when_it_is_declared(broker) -> None:
    async def later() -> None:
        return None

    with pytest.raises(Exception, match="async"):
        dramatiq.actor(actor_name="acting.later", transactional=True)(later)
    assert "acting.later" not in broker.actors
