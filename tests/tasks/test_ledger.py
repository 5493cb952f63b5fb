"""The moves of the ledger and their guards."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.tasks import ledger, presence, states
from apps.tasks.failures import cause_of
from apps.tasks.models import LimitedStart, TaskAttempt, TaskKey, TaskStatus
from apps.tasks.statements import postgresql
from apps.tasks.statements.direct import Statement
from apps.tasks.values import Claim, Outcome, Report, Send, Unique

pytestmark = pytest.mark.django_db

WORKER = uuid.uuid4()


def recorded(**values) -> TaskStatus:
    send = Send(task_id=str(uuid.uuid4()), task_name="acting.effect", queue_name="default", **values)
    ledger.record([send])
    return row(send.task_id)


def row(task_id: str) -> TaskStatus:
    return TaskStatus.objects.get(task_id=task_id)


def claimed(task: TaskStatus, *, worker_id: uuid.UUID = WORKER) -> Claim:
    claim_id = uuid.uuid4()
    held, _ = ledger.claim([(task.task_id, task.attempt)], claim_id=claim_id, worker_id=worker_id)
    assert [one.task_id for one in held] == [task.task_id]
    return Claim(task_id=task.task_id, row_id=task.pk, attempt=task.attempt, claim_id=claim_id, worker_id=worker_id)


def finish(claim: Claim, move: states.Move = states.COMPLETE, **values) -> bool:
    return ledger.finish([Outcome(claim=claim, move=move, **values)])[0].took


def refusal(task_id: str, attempt: int) -> ledger.Refusal:
    held, refusals = ledger.claim([(task_id, attempt)], claim_id=uuid.uuid4(), worker_id=WORKER)
    assert held == []
    return refusals[0]


def test_a_recorded_send_is_pending_and_due() -> None:
    task = recorded(args='[1,"two"]', kwargs='{"three":[3]}', options={"pipe_ignore": True}, priority=5)
    assert (task.status, task.attempt, task.progress, task.delayed) == ("pending", 0, 0, False)
    assert (task.args, task.kwargs, task.options, task.priority) == (
        [1, "two"],
        {"three": [3]},
        {"pipe_ignore": True},
        5,
    )
    assert TaskStatus.objects.due().get() == task


@pytest.mark.parametrize("at_once", [1, 30])
def test_the_times_of_a_send_are_of_one_instant(at_once: int) -> None:
    send = Send(task_id="", task_name="acting.effect", queue_name="default", delay_ms=500, max_age_ms=250)
    for first in range(0, 30, at_once):
        ledger.record([send._replace(task_id=f"{number}") for number in range(first, first + at_once)])
    for task in TaskStatus.objects.all():
        spans = [timedelta(milliseconds=span) for span in (0, 500, 750)]
        assert [task.updated_at, task.run_at, task.expires_at] == [task.created_at + span for span in spans]


def test_a_known_task_id_is_left_as_it_is() -> None:
    task = recorded(args="[1]")
    ledger.record([Send(task_id=task.task_id, task_name="acting.other", queue_name="default", args="[2]")])
    assert TaskStatus.objects.get().args == [1]


def test_a_delayed_send_waits_for_the_relay() -> None:
    task = recorded(delay_ms=60_000, max_age_ms=1_000)
    assert task.delayed
    assert timedelta(seconds=59) < task.run_at - timezone.now() < timedelta(seconds=61)
    assert task.expires_at is not None
    assert task.expires_at - task.run_at == pytest.approx(timedelta(seconds=1), abs=timedelta(milliseconds=200))
    assert not TaskStatus.objects.due().exists()


def test_a_claim_holds_the_task_for_one_worker() -> None:
    task = recorded()
    claimed(task)
    assert row(task.task_id).status == "processing"
    assert row(task.task_id).worker_id == WORKER
    assert refusal(task.task_id, 0) == ledger.Refusal(task_id=task.task_id)


def test_a_repeated_claim_gets_the_same_answer() -> None:
    tasks = [recorded() for _ in range(3)]
    attempts = [(task.task_id, 0) for task in tasks]
    claim_id = uuid.uuid4()
    answers = [ledger.claim(attempts, claim_id=claim_id, worker_id=WORKER) for _ in range(2)]
    for held, refusals in answers:
        assert {row.row_id for row in held} == {task.pk for task in tasks}
        assert refusals == []


def test_a_claim_of_a_stale_attempt_is_refused() -> None:
    task = recorded()
    finish(claimed(task), states.RETRY, error_message="once")
    assert refusal(task.task_id, 0) == ledger.Refusal(task_id=task.task_id)
    assert row(task.task_id).status == "pending"


def test_a_message_that_is_ahead_of_its_row_is_early() -> None:
    task = recorded()
    assert refusal(task.task_id, 1).early


def test_a_message_that_is_ahead_of_a_row_that_has_ended_is_not_waited_for() -> None:
    """A backup was restored, or another program made it up. A retry by hand publishes anew."""
    task = recorded()
    finish(claimed(task))
    assert refusal(task.task_id, 1) == ledger.Refusal(task_id=task.task_id)


def test_a_task_that_no_worker_can_take_is_put_off_and_fails_when_the_patience_is_over() -> None:
    task = recorded()
    TaskStatus.objects.update(created_at=timezone.now() - timedelta(days=1))
    for _ in range(2):
        assert ledger.put_off([task.task_id], delay_ms=1_000, patience_ms=60_000, reason="unknown") == (1, 0)
    waiting = row(task.task_id)
    assert (waiting.status, waiting.delayed, waiting.error_message) == ("pending", True, "unknown")
    assert waiting.run_at > timezone.now()
    TaskStatus.objects.update(unknown_since=timezone.now() - timedelta(minutes=2))
    assert ledger.put_off([task.task_id], delay_ms=1_000, patience_ms=60_000, reason="given up") == (0, 1)
    assert (row(task.task_id).status, row(task.task_id).error_message) == ("failed", "given up")
    assert ledger.retry(task.task_id)
    assert row(task.task_id).unknown_since is None, "the patience counts anew"


def test_a_claim_clears_the_reason_why_no_worker_could_take_the_task() -> None:
    known, suspect, retried = recorded(), recorded(), recorded()
    finish(claimed(retried), states.RETRY, error_message="it failed once")
    for task in (known, suspect):
        ledger.put_off([task.task_id], delay_ms=0, patience_ms=60_000, reason="unknown")
    TaskStatus.objects.filter(pk=suspect.pk).update(crashes=1)
    claimed(known)
    claimed(row(retried.task_id))
    assert ledger.claim_suspect(suspect.task_id, 0, claim_id=uuid.uuid4(), worker_id=WORKER)
    assert [row(task.task_id).error_message for task in (known, suspect, retried)] == ["", "", "it failed once"]


@pytest.mark.parametrize("end", ["put off", "rejected", "expired", "poison"])
def test_a_reason_that_is_no_exception_stands_without_the_traceback_of_an_earlier_one(end: str) -> None:
    task = recorded()
    finish(claimed(task), states.RETRY, error_message="no", error_type="ValueError", traceback="Traceback: no")
    if end == "poison":
        claim = claimed(row(task.task_id))
        ledger.report([Report(claim=claim, percent=0, text="", ran_ms=5)])
        ledger.rescue(claim.worker_id, max_crashes=1)
    elif end == "expired":
        TaskStatus.objects.update(expires_at=timezone.now())
        ledger.expire_waiting()
    else:
        patience_ms = 60_000 if end == "put off" else -1
        for _ in range(2):
            ledger.put_off([task.task_id], delay_ms=0, patience_ms=patience_ms, reason="unknown")
    told = row(task.task_id)
    assert told.status == ("pending" if end == "put off" else "failed")
    assert (told.error_message != "no", told.error_type, told.traceback) == (True, "", "")


@pytest.mark.parametrize("is_started", [True, False])
@pytest.mark.parametrize("end", ["release", "stop", "death"])
def test_a_task_that_a_worker_began_was_known(end: str, is_started: bool) -> None:
    task = recorded()
    ledger.put_off([task.task_id], delay_ms=0, patience_ms=60_000, reason="unknown")
    claim = claimed(task)
    if is_started:
        ledger.report([Report(claim=claim, percent=0, text="", ran_ms=5)])
    if end == "release":
        finish(claim, states.RELEASE)
    elif end == "stop":
        ledger.release_all(claim.worker_id)
    else:
        ledger.rescue(claim.worker_id, max_crashes=3)
    again = row(task.task_id)
    assert (again.status, again.unknown_since is None) == ("pending", is_started)


@pytest.mark.parametrize("move", [states.COMPLETE, states.RETRY, states.FAIL])
def test_the_end_of_an_attempt_clears_the_time_since_which_no_worker_could_take_the_task(move: states.Move) -> None:
    task = recorded()
    ledger.put_off([task.task_id], delay_ms=0, patience_ms=60_000, reason="unknown")
    claim = claimed(task)
    assert row(task.task_id).unknown_since is not None, "a release must not begin the patience anew"
    assert finish(claim, move)
    assert row(task.task_id).unknown_since is None


def test_a_message_without_a_row_is_missing() -> None:
    assert refusal("unknown", 0).missing


def test_a_task_is_not_claimed_before_its_time() -> None:
    task = recorded(delay_ms=60_000)
    TaskStatus.objects.filter(pk=task.pk).update(delayed=False)
    assert not refusal(task.task_id, 0).missing
    assert row(task.task_id).delayed, "the relay publishes it again"


def test_an_expired_task_fails_instead_of_being_claimed() -> None:
    task = recorded(max_age_ms=0)
    refusal(task.task_id, 0)
    assert (row(task.task_id).status, row(task.task_id).finished_at is not None) == ("failed", True)
    assert "expired" in row(task.task_id).error_message


def test_a_task_that_its_worker_gives_back_while_it_is_cancelled_is_cancelled() -> None:
    task = recorded()
    claim = claimed(task)
    given_back: list[bool] = []

    def give_back_after_the_first_statement(execute: Callable[..., Any], *statement: Any) -> Any:
        result = execute(*statement)
        if not given_back:
            given_back.append(True)
            assert finish(claim, states.RELEASE)
        return result

    with connection.execute_wrapper(give_back_after_the_first_statement):
        assert ledger.cancel(task.task_id)
    assert row(task.task_id).status == "cancelled"


def test_a_cancelled_task_is_not_claimed() -> None:
    task = recorded()
    assert ledger.cancel(task.task_id)
    assert not ledger.cancel(task.task_id)
    refusal(task.task_id, 0)
    assert row(task.task_id).status == "cancelled"


@pytest.mark.parametrize("move", [states.RETRY, states.SNOOZE], ids=lambda move: move.name)
@pytest.mark.parametrize("line", [None, "a"])
def test_a_task_whose_cancellation_was_requested_does_not_wait_for_another_start(move: states.Move, line) -> None:
    task = recorded(line=line)
    TaskStatus.objects.update(in_line=False)
    claim = claimed(task)
    assert not ledger.cancel(task.task_id)
    error = "It failed." if move is states.RETRY else ""
    assert finish(claim, move, delay_ms=3_600_000, error_message=error, ran_ms=5, line=line)
    ended = row(task.task_id)
    assert (ended.status, ended.attempt, ended.snoozes, ended.retries) == ("cancelled", 0, 0, 0)
    assert (ended.error_message, ended.finished_at is None, ended.started_at is None) == (error, False, False)
    assert list(TaskAttempt.objects.values_list("outcome", flat=True)) == ["cancel claimed"] * bool(error)
    assert not LimitedStart.objects.exists(), "its row tells its start"


def test_a_postponed_task_keeps_the_time_that_it_may_wait() -> None:
    early = recorded(delay_ms=365 * 86_400_000, max_age_ms=300_000)
    unlimited = recorded(delay_ms=365 * 86_400_000)
    assert ledger.postpone([early.task_id, unlimited.task_id], delay_ms=0) == 2
    assert row(unlimited.task_id).expires_at is None
    moved = row(early.task_id)
    assert early.expires_at is not None
    assert moved.expires_at is not None
    assert moved.expires_at - moved.run_at == pytest.approx(early.expires_at - early.run_at, abs=timedelta(seconds=1))
    assert moved.expires_at - timezone.now() < timedelta(minutes=6)


def test_completing_keeps_the_result_and_the_times() -> None:
    task = recorded()
    assert finish(claimed(task), result={"words": 3}, ran_ms=1500, text="All read")
    done = row(task.task_id)
    assert (done.status, done.progress, done.progress_text, done.result) == ("completed", 100, "All read", {"words": 3})
    assert done.finished_at is not None
    assert done.started_at is not None
    assert done.finished_at - done.started_at == pytest.approx(timedelta(seconds=1.5), abs=timedelta(milliseconds=200))
    assert not TaskAttempt.objects.exists(), "success costs no second row"


def test_a_stale_worker_cannot_overwrite_a_newer_attempt() -> None:
    task = recorded()
    stale = claimed(task)
    ledger.rescue(WORKER, max_crashes=3)
    assert not finish(stale, result="stale")
    assert row(task.task_id).result is None
    assert row(task.task_id).status == "pending"


def test_an_attempt_finishes_once() -> None:
    task = recorded()
    claim = claimed(task)
    assert finish(claim, result=1)
    assert not finish(claim, states.FAIL, error_message="late interrupt")
    assert (row(task.task_id).status, row(task.task_id).result) == ("completed", 1)


def test_two_attempts_of_a_task_that_end_in_one_batch_are_distinguished() -> None:
    """A process may hold both: it released the first and fetched the second."""
    task = recorded()
    first = claimed(task)
    ledger.release_one(task.task_id, 0, worker_id=WORKER)
    second = claimed(row(task.task_id))
    outcomes = [Outcome(claim=claim, move=states.COMPLETE, result=claim.attempt, ran_ms=1) for claim in (first, second)]
    assert [settled.took for settled in ledger.finish(outcomes)] == [False, True]
    assert row(task.task_id).result == 1


def test_a_refused_outcome_sends_nothing() -> None:
    task = recorded()
    claim = claimed(task)
    follower = Send(task_id="follower", task_name="acting.effect", queue_name="default")
    assert finish(claim, sends=(follower,))
    assert not finish(claim, sends=(Send(task_id="stale", task_name="acting.effect", queue_name="default"),))
    assert set(TaskStatus.objects.values_list("task_id", flat=True)) == {task.task_id, "follower"}


def test_a_retry_is_pending_again_with_a_new_attempt_and_keeps_the_error() -> None:
    task = recorded()
    assert finish(
        claimed(task), states.RETRY, error_message="boom", traceback="Traceback ...", delay_ms=5_000, percent=40
    )
    again = row(task.task_id)
    assert (again.status, again.attempt, again.retries, again.crashes) == ("pending", 1, 1, 0)
    assert (again.progress, again.error_message, again.delayed) == (0, "boom", True)
    assert again.worker_id is None
    assert again.claim_id is None
    assert again.started_at is None
    kept = TaskAttempt.objects.get()
    assert (kept.attempt, kept.outcome, kept.error_message, kept.traceback) == (0, "retry", "boom", "Traceback ...")


@pytest.mark.parametrize("line", [None, "a line"])
@pytest.mark.parametrize("delay_ms", [0, 1, -1])
def test_a_retry_that_need_not_wait_is_due_at_once_or_stands_in_line(line: str | None, delay_ms: int) -> None:
    task = recorded(line=line)
    TaskStatus.objects.update(in_line=False)
    claim = claimed(task)
    assert finish(claim, states.RETRY, error_message="boom", delay_ms=delay_ms, line=line)
    after, is_now = row(task.task_id), delay_ms <= 0
    assert (after.delayed, after.in_line) == (not is_now, is_now and line is not None)
    assert ledger.due_again([claim]) == ([after] if is_now and line is None else [])


def test_a_snooze_is_pending_again_without_a_retry_and_keeps_the_error_of_an_earlier_attempt() -> None:
    task = recorded()
    finish(claimed(task), states.RETRY, error_message="boom", traceback="Traceback ...")
    TaskStatus.objects.update(run_at=timezone.now())
    assert finish(claimed(row(task.task_id)), states.SNOOZE, delay_ms=60_000, percent=40, text="Half-way")
    again = row(task.task_id)
    assert (again.status, again.attempt, again.retries, again.snoozes, again.crashes) == ("pending", 2, 1, 1, 0)
    assert (again.progress, again.progress_text, again.error_message, again.delayed) == (0, "", "boom", True)
    assert (again.worker_id, again.claim_id, again.started_at, again.finished_at) == (None, None, None, None)
    assert again.run_at > timezone.now() + timedelta(seconds=50)
    assert TaskAttempt.objects.count() == 1, "a snooze is no attempt that failed"


def test_a_retry_by_hand_counts_snoozes_anew() -> None:
    task = recorded()
    TaskStatus.objects.update(snoozes=7)
    finish(claimed(task), states.FAIL, error_message="boom")
    assert ledger.retry(task.task_id)
    assert row(task.task_id).snoozes == 0


def test_a_failure_keeps_the_progress_it_had() -> None:
    task = recorded()
    finish(claimed(task), states.FAIL, error_message="boom", percent=40, text="Chapter 7")
    failed = row(task.task_id)
    assert (failed.status, failed.progress, failed.progress_text) == ("failed", 40, "Chapter 7")


def test_a_release_counts_neither_as_retry_nor_as_crash() -> None:
    task = recorded()
    claimed(task)
    assert ledger.release_all(WORKER) == 1
    again = row(task.task_id)
    assert (again.status, again.attempt, again.retries, again.crashes) == ("pending", 1, 0, 0)


def test_only_the_attempt_that_holds_a_row_can_report_progress() -> None:
    task = recorded()
    claim = claimed(task)
    ledger.report([Report(claim=claim, percent=42, text="Chapter 5", ran_ms=10)])
    assert (row(task.task_id).progress, row(task.task_id).progress_text) == (42, "Chapter 5")
    finish(claim, states.RETRY, error_message="boom")
    ledger.report([Report(claim=claim, percent=90, text="late", ran_ms=10)])
    assert row(task.task_id).progress == 0


def test_the_first_crash_counts_for_all_held_tasks_and_later_ones_for_started_tasks() -> None:
    first, second = recorded(), recorded()
    claimed(first)
    claimed(second)
    assert ledger.rescue(WORKER, max_crashes=3) == (2, 0)
    assert [row(task.task_id).crashes for task in (first, second)] == [1, 1]
    # From now on each is claimed alone ...
    assert refusal(first.task_id, 1).suspect
    assert ledger.claim_suspect(first.task_id, 1, claim_id=uuid.uuid4(), worker_id=WORKER)
    assert row(first.task_id).started_at is not None
    # ... and the other is not counted when its neighbour kills again.
    assert ledger.rescue(WORKER, max_crashes=3) == (1, 0)
    assert [row(task.task_id).crashes for task in (first, second)] == [2, 1]
    assert ledger.claim_suspect(first.task_id, 2, claim_id=uuid.uuid4(), worker_id=WORKER)
    assert ledger.rescue(WORKER, max_crashes=3) == (0, 1)
    assert row(first.task_id).status == "failed"
    assert "died 3 times" in row(first.task_id).error_message
    assert row(second.task_id).status == "pending"


def test_due_rows_are_taken_once() -> None:
    task = recorded(delay_ms=1)
    TaskStatus.objects.filter(pk=task.pk).update(run_at=timezone.now() - timedelta(seconds=1))
    waiting = ledger.Waiting(task.pk, task.task_id, 0, task.queue_name, task.task_name)
    assert ledger.take_due(limit=10) == [waiting]
    assert ledger.take_due(limit=10) == []
    assert ledger.due_after(0, limit=10) == [waiting]
    assert ledger.still_due(ledger.due_after(0, limit=10)) == [task]
    assert ledger.due_after(task.pk, limit=10) == []


def causes(task: TaskStatus) -> tuple[str, str]:
    """Return error type and cause of a task, which its last attempt has as well."""
    found = row(task.task_id)
    kept = TaskAttempt.objects.filter(task=task).values_list("error_type", "cause").last()
    assert kept in (None, (found.error_type, found.cause))
    return found.error_type, found.cause


def test_failures_with_the_same_cause_share_it() -> None:
    errors = [("KeyError", "'isbn'"), ("KeyError", "'title'"), ("ValueError", "'isbn'")]
    tasks = [recorded() for _ in errors]
    for task, (error_type, message) in zip(tasks, errors, strict=True):
        finish(claimed(task), states.FAIL, task_name="acting.effect", error_type=error_type, error_message=message)
    first, second, third = map(causes, tasks)
    assert first == second == ("KeyError", cause_of("acting.effect", "KeyError", "'isbn'"))
    assert third[0] == "ValueError"
    assert third[1] not in ("", first[1])


def test_a_retry_keeps_type_and_cause_until_the_task_completes() -> None:
    task = recorded()
    finish(claimed(task), states.RETRY, task_name="acting.effect", error_type="KeyError", error_message="'isbn'")
    assert causes(task) == ("KeyError", cause_of("acting.effect", "KeyError", "'isbn'"))
    TaskStatus.objects.update(run_at=timezone.now())
    assert finish(claimed(row(task.task_id)))
    found = row(task.task_id)
    assert (found.error_message, found.error_type, found.cause, found.traceback) == ("", "", "", "")


def test_failures_without_an_exception_have_a_cause_for_each_actor() -> None:
    sends = [
        Send(task_id=f"{name} {number}", task_name=name, queue_name="default", max_age_ms=1)
        for name in ("acting.effect", "acting.add")
        for number in range(2)
    ]
    ledger.record(sends)
    TaskStatus.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ledger.expire_waiting() == 4
    found = {send.task_id: row(send.task_id) for send in sends}
    assert {task.status for task in found.values()} == {"failed"}
    assert {task.error_type for task in found.values()} == {""}
    assert found["acting.add 0"].cause == found["acting.add 1"].cause != ""
    assert found["acting.effect 0"].cause == found["acting.effect 1"].cause != found["acting.add 0"].cause


def test_poison_rejection_and_dead_letters_have_a_cause() -> None:
    poison, rejected = recorded(), recorded()
    claimed(poison)
    for attempt in range(3):
        TaskStatus.objects.filter(pk=poison.pk).update(started_at=timezone.now())
        ledger.rescue(WORKER, max_crashes=3)
        ledger.claim_suspect(poison.task_id, attempt + 1, claim_id=uuid.uuid4(), worker_id=WORKER)
    TaskStatus.objects.filter(pk=rejected.pk).update(unknown_since=timezone.now() - timedelta(hours=1))
    ledger.put_off([rejected.task_id], delay_ms=1, patience_ms=1_000, reason="unknown")
    ledger.dead_letter(Send(task_id="dead", task_name="(undecodable)", queue_name="default"), reason="no message")
    for task_id in (poison.task_id, rejected.task_id, "dead"):
        found = row(task_id)
        assert (found.status, found.error_type) == ("failed", "")
        assert found.cause == cause_of(found.task_name, "", found.error_message)
    deaths = TaskAttempt.objects.filter(task=poison)
    assert {(death.error_type, death.cause) for death in deaths} == {
        ("", cause_of("acting.effect", "", "Its worker process died."))
    }


def test_a_retry_by_hand_keeps_the_time_of_the_send_and_begins_anew() -> None:
    failed, other = recorded(), recorded()
    sent_at = timezone.now() - timedelta(days=1)
    for task in (failed, other):
        finish(claimed(task), states.FAIL, error_type="KeyError", error_message="'isbn'", traceback="t")
    TaskStatus.objects.update(created_at=sent_at, retries=3, crashes=2, unknown_since=sent_at)
    assert ledger.retry(failed.task_id)
    assert ledger.retry_many([other.pk]) == {other.pk}
    for task in (failed, other):
        again = row(task.task_id)
        assert again.created_at == sent_at
        assert again.run_at > sent_at
        assert (again.retries, again.crashes, again.unknown_since) == (0, 0, None)
        assert (again.error_message, again.error_type, again.cause, again.traceback) == ("", "", "", "")


@pytest.mark.parametrize("others", [0, 1])
def test_a_send_for_an_owner_who_does_not_exist_belongs_to_nobody(others: int) -> None:
    user = get_user_model().objects.create_user("writer")
    sends = [
        Send(task_id=f"{number}", task_name="acting.effect", queue_name="default", owner_id=owner_id)
        for number, owner_id in enumerate([user.pk + 1, *[user.pk] * others])
    ]
    ledger.record(sends)
    assert list(TaskStatus.objects.order_by("id").values_list("owner_id", flat=True)) == [None, *[user.pk] * others]


def test_a_failed_task_can_be_retried_and_a_completed_one_cannot() -> None:
    failed, completed = recorded(), recorded()
    finish(claimed(failed), states.FAIL, error_message="boom", traceback="t")
    finish(claimed(completed))
    assert ledger.retry(failed.task_id)
    assert not ledger.retry(completed.task_id)
    again = row(failed.task_id)
    assert (again.status, again.attempt, again.error_message, again.finished_at) == ("pending", 1, "", None)
    assert TaskAttempt.objects.get().error_message == "boom", "the failed attempt is kept"


def test_unknown_states_and_impossible_progress_are_refused_by_the_database() -> None:
    from django.db import IntegrityError

    task = recorded()
    for values in ({"status": "odd"}, {"progress": 101}, {"progress": -1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            TaskStatus.objects.filter(pk=task.pk).update(**values)


def test_a_hand_written_insert_writes_the_same_row_as_the_model() -> None:
    by_hand = recorded(args="[1]", kwargs='{"a":null}', options={"o": 1}, priority=3)
    by_model = TaskStatus.objects.create(
        task_id="by model",
        task_name="acting.effect",
        queue_name="default",
        args=[1],
        kwargs={"a": None},
        options={"o": 1},
        priority=3,
        run_at=by_hand.run_at,
    )
    by_model.refresh_from_db()
    own = {"id", "task_id", "created_at", "updated_at"}
    for field in TaskStatus._meta.concrete_fields:
        if field.name not in own:
            assert getattr(by_hand, field.attname) == getattr(by_model, field.attname), field.name
    by_hand.full_clean()


def test_one_send_and_many_write_the_same_rows() -> None:
    values: dict[str, Any] = {
        "args": "[1]",
        "delay_ms": 60_000,
        "max_age_ms": 1_000,
        "related_object_type": "a.B",
        "related_object_id": 7,
    }
    sends = [Send(task_id=str(number), task_name="a.b", queue_name="q", **values) for number in range(3)]
    ledger.record(sends[:1])
    ledger.record(sends[1:])
    rows = list(
        TaskStatus.objects.values_list(
            "task_name", "queue_name", "args", "delayed", "related_object_type", "related_object_id"
        )
    )
    assert rows == [("a.b", "q", [1], True, "a.B", 7)] * 3
    assert all(row.expires_at and row.expires_at > row.run_at > timezone.now() for row in TaskStatus.objects.all())


def _plan(sql: str, *parameters: Any) -> str:
    return "\n".join(line for (line,) in Statement("EXPLAIN " + sql).execute(*parameters))


@pytest.mark.parametrize("analysed", ["before", "after"])
@pytest.mark.parametrize(
    ("look", "index", "column"),
    [
        (ledger.expire_waiting, "tasks_pending_expiring", "expires_at"),
        (lambda: ledger.take_due(limit=500), "tasks_pending_delayed", "run_at"),
    ],
    ids=["expired", "due"],
)
def test_the_relay_searches_an_index_by_time_however_many_tasks_wait(
    look: Callable[[], object], index: str, column: str, analysed: str
) -> None:
    """The clock of each row cannot be searched for: the relay read all tasks that wait, several times a second."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's planner goes by the table's definition")
    with connection.cursor() as cursor:
        if analysed == "before":
            cursor.execute("ANALYZE tasks_taskstatus")
        ledger.record(
            [
                Send(task_id=str(number), task_name="a.b", queue_name="q", delay_ms=60_000, max_age_ms=60_000)
                for number in range(3_000)
            ]
        )
        if analysed == "after":
            cursor.execute("ANALYZE tasks_taskstatus")
    with CaptureQueriesContext(connection) as queries:
        look()
    (sql,) = [query["sql"] for query in queries.captured_queries if 'ORDER BY "tasks_taskstatus".' in query["sql"]]
    plan = _plan(sql)
    assert f"using {index}" in plan
    assert f"Index Cond: ({column} <= " in plan


@pytest.mark.parametrize("variant", ["optimistic", "skip_locked"])
@pytest.mark.parametrize("analysed", ["before", "after"])
def test_a_batch_is_looked_up_by_its_rows_among_many_others(variant: str, analysed: str) -> None:
    """PostgreSQL's planner would go through the backlog or read the whole table, which it estimates as cheaper."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's planner goes by the table's definition")
    with connection.cursor() as cursor:
        if analysed == "before":  # In a quiet time, when hardly any row is pending.
            cursor.execute("ANALYZE tasks_taskstatus")
        ledger.record([Send(task_id=str(number), task_name="a.b", queue_name="q") for number in range(3_000)])
        if analysed == "after":
            cursor.execute("ANALYZE tasks_taskstatus")
    batch = [{"task_id": str(number), "attempt": 0} for number in range(100)]
    claim = _plan(getattr(postgresql.CLAIM, variant).sql, json.dumps(batch), uuid.uuid4(), WORKER)
    rows = [{"id": number, "attempt": 0, "claim_id": WORKER.hex, "percent": 1} for number in range(100)]
    complete = _plan(getattr(postgresql.COMPLETE, variant).sql, json.dumps(rows))
    report = _plan(postgresql.REPORT.sql, json.dumps(rows))
    for plan in (claim, complete, report):
        assert "Seq Scan on tasks_taskstatus" not in plan
        assert "tasks_pending" not in plan


def test_the_task_of_a_key_is_looked_up_among_many_that_wait() -> None:
    """The planner would walk the index over those that wait, which is in the order of the locks."""
    sends = [
        Send(task_id=f"{number}", task_name="a.b", queue_name="q", unique=Unique(key=f"{number}"))
        for number in range(600)
    ]
    ledger.record(sends)
    with CaptureQueriesContext(connection) as captured:
        ledger.record([sends[5]._replace(task_id="another")])
    looks = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN '}{looks[0]}")
        plan = " ".join(str(row[-1]) for row in cursor.fetchall())
    assert len(looks) == 1
    assert "task_id" in plan
    assert "tasks_pending" not in plan


def test_the_queries_that_run_all_day_use_the_indexes_over_unfinished_rows() -> None:
    if connection.vendor != "postgresql":
        due = str(TaskStatus.objects.due().filter(delayed=True).order_by("run_at", "id").explain())
        assert "tasks_pending_delayed" in due
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    due = str(TaskStatus.objects.due().filter(delayed=True).order_by("run_at", "id").explain())
    assert "tasks_pending_delayed" in due


@pytest.mark.parametrize(
    "work",
    [
        ledger.expire_waiting,
        lambda: ledger.take_due(limit=500),
        lambda: ledger.due_after(0, limit=500),
        presence.dead_holders,
        lambda: ledger.held_by(WORKER),
        lambda: ledger.release_all(WORKER),
        lambda: ledger.release_one("unknown", 0, worker_id=WORKER),
        lambda: ledger.release_unstarted(
            [Claim(task_id="unknown", row_id=0, attempt=0, claim_id=WORKER, worker_id=WORKER)]
        ),
        lambda: ledger.rescue(WORKER, max_crashes=3),
        lambda: ledger.claim([("unknown", 0)], claim_id=WORKER, worker_id=WORKER),
        lambda: ledger.claim_suspect("unknown", 0, claim_id=WORKER, worker_id=WORKER),
        lambda: ledger.put_off(["unknown"], delay_ms=0, patience_ms=0, reason=""),
        lambda: ledger.postpone(["unknown"], delay_ms=0),
        lambda: ledger.cancel("unknown"),
        lambda: ledger.retry("unknown"),
        lambda: ledger.cancel_many([0]),
        lambda: ledger.retry_many([0]),
        lambda: ledger.count_waiting("queue_name", "default", limit=100),
        lambda: ledger.count_waiting("task_name", "acting.effect", limit=100),
        lambda: ledger.rivals([0]),
        lambda: (TaskKey.objects.create(key="unknown", task_id="unknown"), ledger.forget_keys()),
        lambda: TaskStatus.objects.filter(status=states.PENDING).exists(),
        lambda: TaskStatus.objects.filter(status=states.PROCESSING).exists(),
    ],
)
def test_no_statement_that_runs_all_day_reads_the_finished_rows(work: Callable[[], object]) -> None:
    """On SQLite it would hold the lock that every writer needs, longer with every task that was ever sent."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's planner goes by the size of the table")
    with CaptureQueriesContext(connection) as captured:
        work()
    plans = []
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            if "tasks_taskstatus" in query["sql"]:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                plans += [row[-1] for row in cursor.fetchall()]
    assert [plan for plan in plans if "SEARCH" in plan or "SCAN" in plan], "there was no query"
    assert not [plan for plan in plans if re.search(r"SCAN (tasks_taskstatus|t)\b(?! USING)", plan)]
