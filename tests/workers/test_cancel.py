"""A task that is called off while a worker holds it ends, whatever becomes of that attempt."""

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
    """An actor that fails, and tries again, once the event is set."""
    go = threading.Event()

    def fail() -> None:
        go.wait(20)
        raise RuntimeError("it fails")

    actor = dramatiq.actor(fail, actor_name="acting.fail_when_told", max_retries=5, min_backoff=10, max_backoff=20)
    yield actor, go
    go.set()
    del broker.actors[actor.actor_name]


def test_a_task_that_is_called_off_while_it_runs_is_not_tried_again(failing, working, ended, wait_until) -> None:
    actor, go = failing
    message = actor.send()
    wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).exists())
    assert not ledger.cancel(message.message_id)
    go.set()
    row = ended(message)
    assert (row.status, row.attempt) == ("cancelled", 1)
    assert row.finished_at is not None


@pytest.mark.parametrize(
    "come_back",
    [ledger.release_all, lambda worker_id: ledger.rescue(worker_id, max_crashes=3)],
    ids=["handed back", "rescued"],
)
def test_a_task_that_is_called_off_and_comes_back_is_cancelled(
    come_back: Callable[[uuid.UUID], Any], broker, request, ended
) -> None:
    from tests.acting import tasks

    message, worker_id = tasks.effect.send("n"), uuid.uuid4()
    ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=worker_id)
    assert not ledger.cancel(message.message_id)
    assert come_back(worker_id)
    request.getfixturevalue("working")
    assert ended(message).status == "cancelled"
