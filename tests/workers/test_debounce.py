"""`debounce`: sends within the window replace the arguments of the waiting task and postpone it."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.errors import BadOptionError
from apps.tasks.models import TaskStatus
from tests.at_once import at_once
from workers.broker import LedgerBroker
from workers.relay import Relay

pytestmark = [pytest.mark.django_db(transaction=True)]

WINDOW, LONGEST = timedelta(seconds=30), timedelta(seconds=90)


@pytest.fixture
def save(declare: Callable[..., Any]) -> Any:
    """An actor of which quick sends about one document are one task."""

    def save(document_id: int, text: str, *, draft: bool = False) -> str:
        return text

    return declare(save, unique=lambda document_id, *_, **__: document_id, debounce=WINDOW, debounce_max=LONGEST)


def ago(time: timedelta) -> None:
    """Make the tasks older, with all that was planned for them."""
    for row in TaskStatus.objects.all():
        TaskStatus.objects.filter(pk=row.pk).update(
            created_at=row.created_at - time,
            run_at=row.run_at - time,
            expires_at=row.expires_at and row.expires_at - time,
        )


def wait_of(row: TaskStatus) -> int:
    """Return the seconds from now until the task may run."""
    return round((row.run_at - timezone.now()).total_seconds())


def test_quick_sends_are_one_task_with_the_last_arguments(save: Any) -> None:
    sent = [save.send(1, text) for text in "abcde"]
    assert [message.was_new for message in sent] == [True, False, False, False, False]
    assert {message.message_id for message in sent} == {TaskStatus.objects.get().task_id}
    assert TaskStatus.objects.get().args == [1, "e"]
    assert save.send(2, "a").was_new


def test_each_send_starts_the_wait_anew(save: Any) -> None:
    save.send(1, "a")
    row = TaskStatus.objects.get()
    assert (wait_of(row), row.delayed, row.attempt) == (30, True, 0)
    ago(timedelta(seconds=20))
    save.send(1, "b")
    assert wait_of(TaskStatus.objects.get()) == 30


def test_no_send_postpones_it_beyond_the_maximum(save: Any) -> None:
    save.send(1, "a")
    first = TaskStatus.objects.get().run_at
    for _ in range(4):
        ago(timedelta(seconds=20))
        save.send(1, "b")
    assert wait_of(TaskStatus.objects.get()) == 10
    ago(timedelta(seconds=20))
    save.send(1, "c")
    row = TaskStatus.objects.get()
    assert (wait_of(row), row.args) == (-10, [1, "c"])
    assert row.run_at <= first + LONGEST


def test_the_maximum_is_ten_windows_unless_it_is_declared(declare: Callable[..., Any]) -> None:
    def count() -> None:
        """Do nothing."""

    actor = declare(count, debounce=WINDOW)
    actor.send()
    ago(10 * WINDOW - timedelta(seconds=12))
    actor.send()
    assert wait_of(TaskStatus.objects.get()) == 12


def test_a_message_that_is_in_redis_already_is_refused(save: Any, broker: LedgerBroker) -> None:
    save.send(1, "old")
    ago(WINDOW)
    Relay(broker).publish_due()
    assert broker.wire.workers.llen(broker.wire.queue_key("default")) == 1
    save.send(1, "new")
    row = TaskStatus.objects.get()
    assert (row.attempt, row.delayed, row.args) == (1, True, [1, "new"])
    held, refusals = claim(row.task_id, 0)
    assert held == []
    assert refusals == [ledger.Refusal(task_id=row.task_id)]
    ago(WINDOW)
    Relay(broker).publish_due()
    held, _ = claim(row.task_id, 1)
    assert json.loads(held[0].args) == [1, "new"]


def claim(task_id: str, attempt: int) -> Any:
    return ledger.claim([(task_id, attempt)], claim_id=uuid.uuid4(), worker_id=uuid.uuid4())


def test_a_worker_runs_it_with_the_last_arguments(
    save: Any, working: object, broker: LedgerBroker, wait_until: Callable[..., Any]
) -> None:
    save.send(1, "a")
    save.send(1, "b", draft=True)
    ago(WINDOW)
    Relay(broker).publish_due()
    wait_until(lambda: TaskStatus.objects.finished().exists())
    assert TaskStatus.objects.get().result == "b"
    assert save.send(1, "c").was_new


def test_a_running_task_keeps_its_arguments(save: Any) -> None:
    first = save.send(1, "a")
    TaskStatus.objects.update(status="processing")
    assert save.send(1, "b").was_new
    assert TaskStatus.objects.get(task_id=first.message_id).args == [1, "a"]


def test_a_task_that_waits_for_its_retry_keeps_its_time(save: Any) -> None:
    save.send(1, "a")
    later = timezone.now() + timedelta(hours=1)
    TaskStatus.objects.update(retries=1, attempt=1, run_at=later, created_at=timezone.now() - timedelta(hours=2))
    assert not save.send(1, "b").was_new
    row = TaskStatus.objects.get()
    assert (row.args, row.run_at) == ([1, "b"], later)


def test_a_snoozed_task_keeps_its_time(save: Any) -> None:
    save.send(1, "a")
    later = timezone.now() + timedelta(hours=1)
    TaskStatus.objects.update(snoozes=1, attempt=1, run_at=later)
    assert not save.send(1, "b").was_new
    row = TaskStatus.objects.get()
    assert (row.args, row.run_at) == ([1, "b"], later)


def test_a_task_that_was_retried_by_hand_is_due_and_has_its_whole_age(save: Any) -> None:
    message = save.send(1, "a")
    ago(timedelta(days=1))
    TaskStatus.objects.update(status="failed")
    assert ledger.retry(message.message_id)
    assert not save.send_with_options(args=(1, "b"), expires=timedelta(hours=1)).was_new
    row = TaskStatus.objects.get()
    assert (row.args, wait_of(row)) == ([1, "b"], 0)
    assert row.expires_at is not None
    assert row.expires_at > timezone.now() + timedelta(minutes=59)


def test_a_late_task_that_is_handed_out_does_not_stand(save: Any, broker: LedgerBroker) -> None:
    """Each send would hand it out anew, so that it never ran behind many others."""
    first = save.send(1, "a")
    ago(LONGEST)
    Relay(broker).publish_due()
    second = save.send(1, "b")
    assert second.was_new
    row = TaskStatus.objects.get(task_id=first.message_id)
    assert (row.args, row.attempt, row.delayed) == ([1, "a"], 0, False)
    assert wait_of(TaskStatus.objects.get(task_id=second.message_id)) == 30
    assert save.send(1, "c").message_id == second.message_id


def test_a_chain_of_transactions_does_not_keep_a_late_task_from_the_relay(save: Any, broker: LedgerBroker) -> None:
    first = save.send(1, "a")
    ago(LONGEST)
    with transaction.atomic():
        assert save.send(1, "b").was_new
        if connection.features.has_select_for_update_skip_locked:
            assert at_once(lambda _number: len(ledger.take_due(limit=10)), times=1) == [1]
    assert TaskStatus.objects.get(task_id=first.message_id).args == [1, "a"]


def test_a_known_id_of_another_actor_is_not_replaced(save: Any, declare: Callable[..., Any]) -> None:
    def bill(number: int) -> None:
        """Do nothing."""

    actor = declare(bill)
    actor.send_with_options(args=(7,), message_id="invoice 7", delay=600_000)
    assert not save.send_with_options(args=(7, "a"), message_id="invoice 7").was_new
    assert save.send(7, "b").was_new
    assert TaskStatus.objects.get(task_name="acting.bill").args == [7]


def test_a_known_id_of_a_call_does_not_lose_the_last_arguments(save: Any, broker: LedgerBroker) -> None:
    message = save.message(1, "a")
    broker.enqueue(message)
    sent = broker.send_many([message, save.message(1, "b")])
    assert [one.was_new for one in sent] == [False, False]
    assert TaskStatus.objects.get().args == [1, "b"]


def test_another_owner_does_not_see_the_error_of_the_earlier_one(save: Any) -> None:
    owners = [get_user_model().objects.create(username=name) for name in "ab"]
    save.send_with_options(args=(1, "a"), owner_id=owners[0].pk)
    TaskStatus.objects.update(retries=1, error_message="'a' is wrong", traceback="'a'", progress_text="'a'")
    save.send_with_options(args=(1, "b"), owner_id=owners[0].pk)
    assert TaskStatus.objects.get().error_message
    save.send_with_options(args=(1, "c"), owner_id=owners[1].pk)
    row = TaskStatus.objects.get()
    assert (row.error_message, row.traceback, row.progress_text) == ("", "", "")


def test_arguments_and_owner_are_those_of_the_last_send(save: Any) -> None:
    owners = [get_user_model().objects.create(username=name) for name in "abc"]
    save.send_with_options(args=(1, "a"), owner_id=owners[0].pk)
    save.send_with_options(args=(1, "b"), owner_id=owners[1].pk)
    assert TaskStatus.objects.get().owner_id == owners[1].pk
    save.send_with_options(args=(1, "c"), owner_id=owners[2].pk + 1)
    assert TaskStatus.objects.get().owner_id is None


def test_the_age_counts_from_the_new_time(save: Any) -> None:
    save.send_with_options(args=(1, "a"), max_age=60_000)
    ago(timedelta(seconds=20))
    save.send_with_options(args=(1, "b"), max_age=60_000)
    row = TaskStatus.objects.get()
    assert row.expires_at is not None
    assert round((row.expires_at - timezone.now()).total_seconds()) == 90


def test_a_send_that_expires_within_the_window_is_refused(save: Any) -> None:
    with pytest.raises(BadOptionError, match=r"before its delay, eta or debounce, so it could never start"):
        save.send_with_options(args=(1, "a"), expires=timezone.now() + timedelta(seconds=10))
    assert not TaskStatus.objects.exists()


def test_an_instant_of_expiry_stays_that_instant(save: Any) -> None:
    expires = timezone.now() + timedelta(seconds=200)
    for text in "abcd":
        save.send_with_options(args=(1, text), expires=expires)
        row = TaskStatus.objects.get()
        assert row.expires_at is not None
        assert abs(row.expires_at - expires) < timedelta(seconds=5)
        # The last window is cut off by the maximum.
        TaskStatus.objects.update(created_at=row.created_at - timedelta(seconds=25))


def test_a_rolled_back_send_changes_no_arguments(save: Any) -> None:
    save.send(1, "a")
    with pytest.raises(RuntimeError), transaction.atomic():
        save.send(1, "b")
        raise RuntimeError
    assert TaskStatus.objects.get().args == [1, "a"]


def test_the_last_of_one_call_counts(save: Any, broker: LedgerBroker) -> None:
    sent = broker.send_many([save.message(1, "a"), save.message(2, "x"), save.message(1, "b")])
    assert [message.was_new for message in sent] == [True, True, False]
    assert [row.args for row in TaskStatus.objects.order_by("pk")] == [[1, "b"], [2, "x"]]
    assert sent[2].message_id == sent[0].message_id
    broker.send_many([save.message(1, "c"), save.message(1, "d")])
    assert [row.args for row in TaskStatus.objects.order_by("pk")] == [[1, "d"], [2, "x"]]


def test_a_send_without_a_key_runs_at_once(save: Any) -> None:
    save.send(1, "a")
    assert save.send_with_options(args=(1, "b"), unique=False).was_new
    assert TaskStatus.objects.due().get().args == [1, "b"]


def test_a_debounced_send_may_name_its_window(declare: Callable[..., Any]) -> None:
    def count(number: int) -> None:
        """Do nothing."""

    actor = declare(count)
    actor.send_with_options(args=(1,), debounce=WINDOW, unique="all")
    actor.send_with_options(args=(2,), debounce=WINDOW, unique="all")
    row = TaskStatus.objects.get()
    assert (row.args, wait_of(row), set(row.options)) == ([2], 30, {"unique"})


def test_of_many_sends_at_once_one_is_new(save: Any) -> None:
    sent = at_once(lambda number: save.send(1, str(number)), times=8)
    assert [message.was_new for message in sent].count(True) == 1
    assert {message.message_id for message in sent} == {TaskStatus.objects.get().task_id}
