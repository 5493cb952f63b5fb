"""A retry that need not wait starts at once, and needs no relay for that."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError
from dramatiq import Worker

from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from tests.acting import tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.fixture
def alone(broker, booted) -> Iterator[None]:
    """A worker without a relay."""
    worker = Worker(broker, worker_threads=2, worker_timeout=50)
    worker.start()
    yield
    worker.stop(timeout=5_000)
    broker.middleware.pop()  # Dramatiq adds one for each worker and has no way to remove it.


def test_ten_retries_that_need_not_wait_run_without_a_relay(alone, ended) -> None:
    row = ended(tasks.fail_times.send_with_options(args=(10,), min_backoff=0, max_retries=10))
    assert (row.status, row.result, row.retries) == ("completed", 10, 10)


def test_a_retry_with_a_wait_is_left_to_the_relay(alone, broker, wait_until) -> None:
    message = tasks.fail_times.send_with_options(args=(1,), min_backoff=60_000, max_backoff=60_000)
    row = wait_until(lambda: TaskStatus.objects.filter(task_id=message.message_id, attempt=1).first())
    assert row.delayed
    assert broker.wire.contents.present("default", [f"{message.message_id}:1"]) == [False]


def test_a_database_that_fails_after_the_commit_does_not_lose_a_retry_or_end_a_stale_attempt(
    alone, broker, wait_until, monkeypatch
) -> None:
    failures = [OperationalError("the connection is lost")]
    due_again = ledger.due_again

    def fails_once(claims: Any) -> Any:
        if failures:
            raise failures.pop()
        return due_again(claims)

    monkeypatch.setattr(ledger, "due_again", fails_once)
    message = tasks.fail_times.send_with_options(args=(1,), min_backoff=0)
    row = wait_until(lambda: TaskStatus.objects.filter(task_id=message.message_id, status="completed").first())
    assert (row.attempt, failures) == (1, [])
