"""`working`: a worker and a relay beside the test."""

import logging
import os
import socket
import threading
import uuid
from typing import Any

import dramatiq
import pytest
from django.db import connection
from dramatiq.errors import QueueJoinTimeout, QueueNotFound
from dramatiq.results import ResultFailure

from apps.tasks import states
from apps.tasks.models import TaskStatus
from tests.acting import tasks as acting
from tests.acting.models import Effect
from workers.broker import LedgerBroker
from workers.testing import MisuseError, run_due, working


@pytest.mark.django_db(transaction=True)
def test_a_worker_runs_delayed_tasks_and_stops(broker: LedgerBroker) -> None:
    before, middleware = {thread.name for thread in threading.enumerate()}, list(broker.middleware)
    with working(threads=2):
        message = acting.say.send_with_options(args=("soon",), delay=10)
        assert message.get_result(block=True) == "soon"
        with pytest.raises(MisuseError, match="while a worker runs"):
            run_due()
        with pytest.raises(MisuseError, match="runs in this process already"), working():
            pass
    assert broker.middleware == middleware
    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if name in ("relay", "writer", "heartbeat", "reconciler", "admission")]
    assert {row.status for row in TaskStatus.objects.all()} == {states.COMPLETED}


@pytest.mark.django_db
def test_a_transaction_is_refused() -> None:
    with pytest.raises(MisuseError, match="TransactionTestCase"), working():
        pass


@pytest.mark.django_db(transaction=True)
def test_a_database_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has none")
    monkeypatch.setattr(connection, "is_in_memory_db", lambda: True)
    with pytest.raises(MisuseError, match="in memory"), working():
        pass


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_a_redis_that_does_not_answer_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        away = LedgerBroker(url=f"redis://:secret@{address}")
        monkeypatch.setattr(dramatiq, "get_broker", lambda: away)
        with pytest.raises(MisuseError, match=f"the one at {address} does not answer") as caught, working():
            pass
    assert "secret" not in str(caught.value)


@pytest.mark.django_db(transaction=True)
def test_what_earlier_tests_left_in_redis_is_forgotten(
    broker: LedgerBroker, caplog: pytest.LogCaptureFixture, wait_until: Any
) -> None:
    acting.say.send("rows of the last test")
    TaskStatus.objects.all().delete()
    broker.wire.processes(add=[f"{uuid.uuid4()} worker:1"])
    message = acting.say.send("sent before the worker starts")
    caplog.set_level(logging.WARNING)
    with working():
        assert message.get_result(block=True) == "sent before the worker starts"
        # The relay of this test announces itself, and looks for others then.
        wait_until(lambda: broker.wire.processes())
    # It boots more than once here, and workers of other tests in this process have left their middleware.
    told = [one.message for one in caplog.records if one.name != "workers.broker"]
    told = [message for message in told if "of the same type twice" not in message]
    assert told == []


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_real_processes_run_on_the_database_of_the_test(broker: LedgerBroker) -> None:
    with working(processes=1):
        acting.effect.send("a").get_result(block=True)
    assert Effect.objects.get().pid != os.getpid()


@pytest.mark.django_db(transaction=True)
def test_join_does_not_wait_for_a_task_that_is_later_than_its_time_out(broker: LedgerBroker) -> None:
    acting.say.send_with_options(args=("later",), delay=3_600_000)
    with pytest.raises(QueueJoinTimeout, match=r"acting\.say"):
        dramatiq.get_broker().join("default")


@pytest.mark.django_db(transaction=True)
def test_join_does_not_raise_for_a_task_that_ends_between_its_looks(broker: LedgerBroker, monkeypatch) -> None:
    acting.say.send("ends")
    rows = TaskStatus.objects.all()
    exclude = type(rows).exclude

    def ends_first(found, *args):
        rows.update(status="completed")
        return exclude(found, *args)

    monkeypatch.setattr(type(rows), "exclude", ends_first)
    broker.join("default")


@pytest.mark.django_db
def test_join_raises_the_failure_of_a_task_if_asked(broker: LedgerBroker) -> None:
    acting.say.send("waits")
    failed = acting.say.send("fails")
    TaskStatus.objects.filter(task_id=failed.message_id).update(
        status="failed", error_type="builtins.KeyError", error_message="no"
    )
    with pytest.raises(ResultFailure, match=r"^actor raised KeyError: no$"):
        broker.join("default", fail_fast=True)


@pytest.mark.django_db
def test_a_flush_drops_what_waits_and_not_what_a_worker_has(broker: LedgerBroker) -> None:
    waiting, running, other = acting.say.send("waits"), acting.say.send("runs"), acting.wait_at.send("gate", "n")
    TaskStatus.objects.filter(task_id=running.message_id).update(status="processing")
    broker.flush("default")
    status = dict(TaskStatus.objects.values_list("task_id", "status"))
    assert [status[one.message_id] for one in (waiting, running, other)] == ["cancelled", "processing", "pending"]
    assert broker.wire.contents.present("default", [f"{waiting.message_id}:0"]) == [False]
    broker.flush_all()
    assert TaskStatus.objects.get(task_id=other.message_id).status == "cancelled"


@pytest.mark.django_db
def test_join_knows_the_queues(broker: LedgerBroker) -> None:
    with pytest.raises(QueueNotFound, match=r"Unknown queue 'defautl', must be one of: .*default"):
        broker.join("defautl")
