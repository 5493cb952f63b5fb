"""Tasks that were sent with `parent` are cancelled with that task."""

import threading
from typing import Any

import pytest
from dramatiq import Message

from apps.tasks import ledger
from apps.tasks.errors import BadOptionError
from apps.tasks.models import TaskChild, TaskStatus
from tests.acting import tasks

pytestmark = [pytest.mark.django_db(transaction=True)]

LATER = 3_600_000


def child_of(parent: Any, nonce: str = "n", **options: Any) -> Any:
    return tasks.effect.send_with_options(args=(nonce,), parent=parent, delay=LATER, **options)


def status_of(message: Any) -> str:
    return TaskStatus.objects.get(task_id=message.message_id).status


def test_children_and_their_children_follow_a_waiting_task(broker) -> None:
    parent, other = (tasks.effect.send_with_options(args=("n",), delay=LATER) for _ in range(2))
    child, theirs = child_of(parent.message_id), child_of(other.message_id)
    grandchild = child_of(child.message_id)
    assert ledger.cancel(parent.message_id)
    assert [status_of(one) for one in (child, grandchild, theirs, other)] == ["cancelled"] * 2 + ["pending"] * 2


def test_children_follow_tasks_that_are_cancelled_together(broker) -> None:
    parents = [tasks.effect.send_with_options(args=("n",), delay=LATER) for _ in range(3)]
    children = [child_of(parent.message_id) for parent in parents]
    ids = [parent.message_id for parent in parents[:2]]
    ledger.cancel_many(list(TaskStatus.objects.filter(task_id__in=ids).values_list("pk", flat=True)))
    assert [status_of(child) for child in children] == ["cancelled", "cancelled", "pending"]


def test_the_children_of_a_running_task_follow_its_end(declare, working, ended, wait_until) -> None:
    sent: list[Any] = []
    go = threading.Event()

    def work() -> None:
        sent.append(child_of(True))
        while not go.is_set():
            pass

    message = declare(work).send()
    wait_until(lambda: sent)
    ledger.cancel(message.message_id)
    assert ended(message).status == "cancelled"
    assert ended(sent[0]).status == "cancelled"


def test_a_relay_finds_the_children_that_a_worker_left(broker) -> None:
    parent = tasks.effect.send_with_options(args=("n",), delay=LATER)
    child = child_of(parent.message_id)
    TaskStatus.objects.filter(task_id=parent.message_id).update(status="cancelled")
    assert ledger.cancel_children() == 1
    assert status_of(child) == "cancelled"
    assert ledger.cancel_children() == 0


def test_the_notes_of_children_that_have_ended_are_deleted(broker) -> None:
    parent = tasks.effect.send_with_options(args=("n",), delay=LATER)
    child = child_of(parent.message_id)
    assert ledger.forget_children() == 0
    ledger.cancel(child.message_id)
    assert ledger.forget_children() == 1
    assert not TaskChild.objects.exists()


def test_a_rolled_back_send_leaves_no_note(broker) -> None:
    from django.db import transaction

    with transaction.atomic():
        child_of("some")
        transaction.set_rollback(True)
    assert not TaskChild.objects.exists()


@pytest.mark.parametrize("parent", ["", "x" * 256, 5, False, b"x"])
def test_a_wrong_parent_is_refused(parent: Any, broker) -> None:
    with pytest.raises(BadOptionError, match="must be True or the id of a task"):
        child_of(parent)
    message: Message[Any] = Message("default", "acting.effect", ("n",), {}, {"parent": parent if parent != b"x" else 7})
    with pytest.raises(BadOptionError, match="must be True or the id of a task"):
        broker.enqueue(message)


def test_a_task_has_to_send_a_child_of_its_own(broker) -> None:
    with pytest.raises(BadOptionError, match="no task sends it"):
        child_of(True)
