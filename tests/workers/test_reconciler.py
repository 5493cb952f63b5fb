"""The reconciler: forgotten messages and claims are requeued and released while their process lives."""

import threading
import uuid

import pytest
from django.db import connection, transaction
from dramatiq.middleware import Shutdown
from dramatiq.threading import raise_thread_exception

from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from workers.process import reconciler
from workers.process.consumer import LedgerConsumer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.fixture(autouse=True)
def _often(monkeypatch) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.1)


def test_a_forgotten_message_is_requeued_and_runs(working, broker, ended) -> None:
    broker.runtime.stopping.set()
    message = tasks.add.send(1, 2)
    broker.wire.fetch("default", broker.runtime.holdings.broker_id, limit=1)
    broker.runtime.stopping.clear()
    assert ended(message).result == 3


def test_a_forgotten_claim_is_released_and_runs(working, broker, ended) -> None:
    broker.runtime.stopping.set()
    message = tasks.add.send(1, 2)
    broker.wire.fetch("default", broker.runtime.holdings.broker_id, limit=1)
    ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=broker.runtime.worker_id)
    broker.runtime.stopping.clear()
    row = ended(message)
    assert (row.status, row.attempt, row.retries, row.crashes) == ("completed", 1, 0, 0)


def test_a_claim_that_fails_at_first_loses_no_task(working, broker, ended, monkeypatch) -> None:
    from django.db import OperationalError

    real = ledger.claim
    failures: list[int] = []

    def failing(*args, **kwargs):
        if len(failures) < 3:
            failures.append(1)
            raise OperationalError("the database is away")
        return real(*args, **kwargs)

    monkeypatch.setattr(ledger, "claim", failing)
    messages = [tasks.add.send(n, n) for n in range(4)]
    assert [ended(message).result for message in messages] == [0, 2, 4, 6]
    assert len(failures) == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_thread_that_died_is_replaced(working, ended, wait_until) -> None:
    before = list(working.workers)
    raise_thread_exception(before[0].ident, Shutdown)  # It waits for work, where this is not caught.
    wait_until(lambda: not before[0].is_alive() and before[0] not in working.workers)
    assert len(working.workers) == len(before)
    assert ended(tasks.add.send(1, 2)).result == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_task_whose_thread_died_after_it_ran_runs_again_and_is_counted(working, broker, ended, monkeypatch) -> None:
    """A late interrupt hits the thread between the after-hooks and the ack."""
    deaths: list[str] = []

    def dies(self, message) -> None:
        if not deaths:
            deaths.append(message.message_id)
            message.attempt.outcome = None
            raise Shutdown
        self.writer.end(message.attempt)

    monkeypatch.setattr(LedgerConsumer, "ack", dies)
    row = ended(tasks.add.send(1, 2))
    assert (row.status, row.result, row.attempt, row.retries, row.crashes) == ("completed", 3, 1, 1, 0)
    assert deaths == [row.task_id]


@pytest.mark.parametrize("crashes", [0, 1])
def test_the_messages_of_a_consumer_that_hangs_are_requeued(
    working, broker, ended, monkeypatch, wait_until, caplog, crashes
) -> None:
    monkeypatch.setattr(reconciler, "CLAIM_SECONDS", 0.1)
    go_on = threading.Event()
    name = "claim_suspect" if crashes else "claim"
    real = getattr(ledger, name)

    def hanging(*args, **kwargs):
        assert go_on.wait(60)
        return real(*args, **kwargs)

    broker.runtime.stopping.set()
    message = tasks.add.send(1, 2)
    TaskStatus.objects.update(crashes=crashes)
    monkeypatch.setattr(ledger, name, hanging)
    broker.runtime.stopping.clear()
    wait_until(lambda: "consumer hangs, its messages are requeued queue=default count=1" in caplog.text)
    assert broker.wire.fetch("default", "another process", limit=1)
    go_on.set()
    assert ended(message).result == 3
    # The other process is refused.
    assert ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=uuid.uuid4())[0] == []


def test_a_comparison_does_not_wait_for_a_locked_table(working, broker, monkeypatch, wait_until, caplog) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one lock, and a time limit for it")
    monkeypatch.setattr(reconciler, "COMPARE_SECONDS", 0.1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {TaskStatus._meta.db_table} IN ACCESS EXCLUSIVE MODE")
        wait_until(lambda: "reconciliation skipped" in caplog.text)
