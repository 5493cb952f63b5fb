"""Rows locked by another transaction: neither a relay nor a stopping process nor a neighbour waits for the lock."""

import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.tasks import ledger, states
from apps.tasks.models import Limit, TaskStatus
from apps.tasks.statements import postgresql
from apps.tasks.values import Claim, Held, Outcome, Send, Settled
from tests.acting import tasks
from tests.threads import beside
from workers.relay import Relay

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no row locks")
    for statement in (postgresql.CLAIM, postgresql.CLAIM_ONE, postgresql.COMPLETE):
        monkeypatch.setattr(statement, "skip_locked_until", 0.0)


def claimed(worker_id: uuid.UUID) -> list[str]:
    task_ids = [tasks.effect.send(str(number)).message_id for number in range(3)]
    ledger.claim([(task_id, 0) for task_id in task_ids], claim_id=uuid.uuid4(), worker_id=worker_id)
    return task_ids


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_rescue_leaves_a_locked_row_to_the_next_pass(broker) -> None:
    worker_id = uuid.uuid4()
    locked = claimed(worker_id)[0]
    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(task_id=locked)
        assert beside(lambda: ledger.rescue(worker_id, max_crashes=3)) == (2, 0)
    assert ledger.rescue(worker_id, max_crashes=3) == (1, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stopping_process_leaves_a_locked_row_to_the_relay(broker) -> None:
    worker_id = uuid.uuid4()
    locked = claimed(worker_id)[0]
    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(task_id=locked)
        assert beside(lambda: ledger.release_all(worker_id)) == 2
        assert beside(lambda: ledger.release_one(locked, 0, worker_id=worker_id)) is False
    assert TaskStatus.objects.get(status="processing").task_id == locked


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_expired_tasks_fail_although_a_neighbour_is_locked(broker) -> None:
    locked, *_ = [tasks.effect.send(str(number)).message_id for number in range(3)]
    TaskStatus.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(task_id=locked)
        assert beside(ledger.expire_waiting) == 2
    assert ledger.expire_waiting() == 1


def test_a_locked_row_does_not_delay_the_claim_of_its_batch_and_is_claimed_later(broker) -> None:
    messages = [tasks.effect.send(str(number)) for number in range(3)]
    attempts = [(message.message_id, 0) for message in messages]
    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(task_id=messages[0].message_id)
        held, refusals = beside(lambda: ledger.claim(attempts, claim_id=uuid.uuid4(), worker_id=uuid.uuid4()))
    assert {row.task_id for row in held} == {message.message_id for message in messages[1:]}
    assert refusals == [ledger.Refusal(task_id=messages[0].message_id, early=True)], "requeued, not acked"


@pytest.mark.parametrize("is_optimistic", [True, False], ids=["optimistic", "skip-locked"])
def test_a_single_locked_row_is_requeued_and_claimed_later(
    broker, monkeypatch: pytest.MonkeyPatch, is_optimistic: bool
) -> None:
    monkeypatch.setattr(postgresql.CLAIM_ONE, "skip_locked_until", 0.0 if is_optimistic else time.monotonic() + 60)
    message = tasks.effect.send("n")

    def claim() -> tuple[list[Held], list[ledger.Refusal]]:
        return ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=uuid.uuid4())

    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(task_id=message.message_id)
        assert beside(claim) == ([], [ledger.Refusal(task_id=message.message_id, early=True)])
    held, refusals = claim()
    assert ([row.task_id for row in held], refusals) == ([message.message_id], [])


def outcomes(task_ids: list[str]) -> list[Outcome]:
    found = []
    for task_id in task_ids:
        row = TaskStatus.objects.get(task_id=task_id)
        assert row.claim_id is not None
        assert row.worker_id is not None
        claim = Claim(task_id=task_id, row_id=row.pk, attempt=0, claim_id=row.claim_id, worker_id=row.worker_id)
        found.append(Outcome(claim=claim, move=states.COMPLETE, result={"of": task_id}, ran_ms=1.5))
    return found


@pytest.mark.parametrize("is_optimistic", [True, False], ids=["optimistic", "skip-locked"])
def test_a_locked_row_does_not_delay_the_outcomes_of_its_batch_and_is_written_later(
    broker, monkeypatch: pytest.MonkeyPatch, is_optimistic: bool
) -> None:
    monkeypatch.setattr(postgresql.COMPLETE, "skip_locked_until", 0.0 if is_optimistic else time.monotonic() + 60)
    task_ids = claimed(uuid.uuid4())
    ended = outcomes(task_ids)
    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(task_id=task_ids[0])
        settled = beside(lambda: ledger.finish(ended))
    assert settled == [Settled(took=False, deferred=True), Settled(took=True), Settled(took=True)]
    assert ledger.finish(ended[:1]) == [Settled(took=True)]
    assert {row.status for row in TaskStatus.objects.all()} == {"completed"}
    assert {row.task_id: row.result for row in TaskStatus.objects.all()} == {key: {"of": key} for key in task_ids}


def test_after_a_wait_for_a_lock_locked_rows_are_skipped_for_a_while(broker) -> None:
    task_ids = claimed(uuid.uuid4())
    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(task_id=task_ids[0])
        beside(lambda: ledger.finish(outcomes(task_ids)))
    assert 0 < postgresql.COMPLETE.skip_locked_until - time.monotonic() <= postgresql.SKIP_LOCKED_SECONDS
    assert postgresql.CLAIM.skip_locked_until == 0


def test_the_lock_timeout_of_a_statement_ends_with_it(broker) -> None:
    claimed(uuid.uuid4())
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def test_a_task_whose_row_was_locked_when_it_was_fetched_runs_once_the_row_is_free(working, ended) -> None:
    with transaction.atomic():
        locked = tasks.effect.send("locked")
    with transaction.atomic():
        TaskStatus.objects.select_for_update().filter(task_id=locked.message_id, status="pending").first()
        neighbours = [tasks.effect.send(f"neighbour {number}") for number in range(3)]
    assert {ended(message).status for message in [locked, *neighbours]} == {"completed"}


def test_a_locked_limit_does_not_hold_up_the_tasks_of_other_actors(broker) -> None:
    for name in ("acting.a", "acting.b"):
        Limit.objects.create(task_name=name, concurrency=1)
        ledger.record([Send(task_id=name, task_name=name, queue_name="default", line="")])
    with transaction.atomic():
        Limit.objects.select_for_update().get(task_name="acting.a")
        assert beside(lambda: Relay(broker).admit()) == 1
    assert TaskStatus.objects.in_line().get().task_name == "acting.a"
