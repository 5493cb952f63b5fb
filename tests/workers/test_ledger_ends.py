"""Middleware hears of tasks that end without an attempt of a worker: the ledger ended them itself."""

import uuid
from collections.abc import Collection, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.utils import timezone
from dramatiq import Middleware

from apps.tasks import ledger, states
from apps.tasks.models import TaskStatus
from apps.tasks.signals import ended_by_ledger
from tests.acting import tasks

pytestmark = [pytest.mark.django_db(transaction=True)]


class Listener(Middleware):
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        #: Reasons of failed messages, by id.
        self.nacked: dict[str, str | None] = {}

    def after_nack(self, broker: Any, message: Any) -> None:
        self.nacked[message.message_id] = str(message._exception) if message.failed else None

    def after_ledger_end(self, broker: Any, task_ids: Collection[str], move: states.Move) -> None:
        self.heard += [(task_id, move.name) for task_id in task_ids]


@pytest.fixture
def listener(broker, monkeypatch) -> Iterator[Listener]:
    found = Listener()
    monkeypatch.setattr(broker, "middleware", [*broker.middleware, found])
    apps.get_app_config("workers").ready()
    yield found
    ended_by_ledger.disconnect(dispatch_uid="workers")


def test_a_waiting_task_that_is_cancelled_is_told(listener) -> None:
    one, *others = (tasks.add.send(n, n).message_id for n in range(3))
    assert ledger.cancel(one)
    ledger.cancel_many(TaskStatus.objects.filter(task_id__in=others).values_list("pk", flat=True))
    assert sorted(listener.heard) == sorted((task_id, "cancel") for task_id in (one, *others))


def test_a_task_that_expires_is_told_by_the_relay_and_by_the_claim(listener) -> None:
    by_relay = tasks.add.send_with_options(args=(1, 2), max_age=60_000).message_id
    TaskStatus.objects.update(expires_at=timezone.now())
    assert ledger.expire_waiting() == 1
    by_claim = tasks.add.send_with_options(args=(1, 2), max_age=60_000).message_id
    TaskStatus.objects.filter(task_id=by_claim).update(expires_at=timezone.now())
    ledger.claim([(by_claim, 0)], claim_id=uuid.uuid4(), worker_id=uuid.uuid4())
    assert listener.heard == [(by_relay, "expire"), (by_claim, "expire")]
    assert listener.nacked == dict.fromkeys((by_relay, by_claim), "It was not started before it expired.")


def test_a_task_that_no_worker_knows_is_told_when_it_is_given_up(listener) -> None:
    task_id = tasks.add.send(1, 2).message_id
    for patience_ms, heard in ((60_000, []), (0, [(task_id, "reject")])):
        ledger.put_off([task_id], delay_ms=0, patience_ms=patience_ms, reason="no worker knows it")
        assert listener.heard == heard


def test_a_task_that_killed_its_workers_is_told(listener) -> None:
    task_id = tasks.add.send(1, 2).message_id
    worker_id = uuid.uuid4()
    ledger.claim([(task_id, 0)], claim_id=uuid.uuid4(), worker_id=worker_id)
    TaskStatus.objects.update(started_at=timezone.now())
    assert ledger.rescue(worker_id, max_crashes=1) == (0, 1)
    assert listener.heard == [(task_id, "poison")]


def test_what_is_rolled_back_is_not_told(listener) -> None:
    task_id = tasks.add.send(1, 2).message_id
    with transaction.atomic():
        ledger.cancel(task_id)
        transaction.set_rollback(True)
    assert listener.heard == []


def test_nothing_is_read_where_no_middleware_listens(django_assert_num_queries) -> None:
    task_id = tasks.add.send(1, 2).message_id
    assert not ended_by_ledger.has_listeners(TaskStatus)
    with django_assert_num_queries(2):  # The cancellation, and the look for children.
        ledger.cancel(task_id)


def test_a_hook_that_only_the_object_has_is_called(broker, monkeypatch) -> None:
    heard: list[str] = []
    bare = Middleware()
    monkeypatch.setattr(bare, "after_enqueue", lambda broker, message, delay: heard.append(message.message_id), False)
    monkeypatch.setattr(broker, "middleware", [*broker.middleware, bare])
    message = tasks.add.send(1, 2)
    assert heard == [message.message_id]
