"""A task that is cancelled while a worker holds it ends as cancelled, whatever the outcome of that attempt."""

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest

from apps.tasks import ledger
from apps.tasks.models import TaskStatus

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def failing(broker) -> Iterator[tuple[Any, threading.Event]]:
    """An actor that fails and is retried once the event is set."""
    go = threading.Event()

    def fail() -> None:
        go.wait(60)
        raise RuntimeError("it fails")

    actor = dramatiq.actor(actor_name="acting.fail_on_event", max_retries=5, min_backoff=10, max_backoff=20)(fail)
    yield actor, go
    go.set()
    del broker.actors[actor.actor_name]


def test_a_task_cancelled_while_it_runs_is_not_retried(failing, working, ended, wait_until) -> None:
    actor, go = failing
    message = actor.send()
    wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).exists())
    assert not ledger.cancel(message.message_id)
    go.set()
    row = ended(message)
    assert (row.status, row.attempt) == ("cancelled", 0)
    assert row.finished_at is not None


@pytest.mark.parametrize(
    "return_to_pending",
    [ledger.release_all, lambda worker_id: ledger.rescue(worker_id, max_crashes=3)],
    ids=["released", "rescued"],
)
def test_a_task_whose_cancellation_was_requested_is_cancelled_when_it_is_pending_again(
    return_to_pending: Callable[[uuid.UUID], Any], broker, request, ended
) -> None:
    from tests.acting import tasks

    message, worker_id = tasks.effect.send("n"), uuid.uuid4()
    ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=worker_id)
    assert not ledger.cancel(message.message_id)
    assert return_to_pending(worker_id)
    request.getfixturevalue("working")
    assert ended(message).status == "cancelled"
