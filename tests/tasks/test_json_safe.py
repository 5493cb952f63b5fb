"""What the ledger says became of outcomes."""

import uuid

import pytest

from apps.tasks import ledger, states
from apps.tasks.models import TaskStatus
from apps.tasks.values import Claim, Outcome, Send


@pytest.mark.django_db
def test_two_attempts_that_end_in_one_batch_are_told_apart() -> None:
    """A process may hold both: it handed the first back, and fetched the second."""
    worker = uuid.uuid4()
    ledger.record([Send(task_id="twice", task_name="acting.effect", queue_name="default")])

    def claimed(attempt: int) -> Claim:
        claim_id = uuid.uuid4()
        held, _ = ledger.claim([("twice", attempt)], claim_id=claim_id, worker_id=worker)
        return Claim(task_id="twice", row_id=held[0].row_id, attempt=attempt, claim_id=claim_id, worker_id=worker)

    first = claimed(0)
    ledger.release_one("twice", 0, worker_id=worker)
    second = claimed(1)
    outcomes = [Outcome(claim=claim, move=states.COMPLETE, result=claim.attempt, ran_ms=1) for claim in (first, second)]
    assert [settled.took for settled in ledger.finish(outcomes)] == [False, True]
    assert TaskStatus.objects.get().result == 1
