"""Tasks on queues that the code of today does not declare, or from which no worker takes."""

import logging
import uuid
from datetime import timedelta

import dramatiq
import pytest
from django.utils import timezone
from dramatiq import Worker

from apps.tasks import ledger, presence
from apps.tasks.models import TaskStatus, WorkerProcess
from apps.tasks.values import Send
from tests import rows
from tests.acting import tasks
from workers.process import weights
from workers.relay import Relay
from workers.wire.message import words_of_row

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.redis]


@pytest.fixture
def relay(broker) -> Relay:
    return Relay(broker)


def recorded(task_name: str, queue_name: str, **values: object) -> TaskStatus:
    """Record a task as the code before the deploy sent it."""
    task_id = str(uuid.uuid4())
    ledger.record([Send(task_id=task_id, task_name=task_name, queue_name=queue_name, args='["n"]')])
    TaskStatus.objects.filter(task_id=task_id).update(**values)
    return TaskStatus.objects.get(task_id=task_id)


def waiting(broker, queue_name: str) -> list[str]:
    return [wire_id.decode() for wire_id in broker.wire.workers.lrange(broker.wire.queue_key(queue_name), 0, -1)]


def test_a_task_whose_queue_was_renamed_runs_from_the_new_one(broker, relay, caplog) -> None:
    task = recorded("acting.effect", "old-name")
    broker.wire.republish([words_of_row(task)])
    relay.audit()
    task.refresh_from_db()
    assert task.queue_name == "default"
    assert waiting(broker, "default") == [f"{task.task_id}:0"]
    assert not broker.wire.workers.keys(f"{broker.wire.queue_key('old-name')}*")
    assert "tasks moved, no worker takes their queue count=1 queue=old-name to=default" in caplog.text


def test_a_delayed_task_whose_queue_was_renamed_is_moved_at_its_time(broker, relay) -> None:
    task = recorded("acting.effect", "old-name", delayed=True)
    relay.publish_due()
    relay.audit()
    task.refresh_from_db()
    assert (task.queue_name, task.delayed) == ("default", False)


def test_a_task_stays_where_a_worker_of_an_earlier_version_takes_it(broker, relay) -> None:
    worker = rows.worker_process(queues=["old-name"])
    task = recorded("acting.effect", "old-name")
    relay.audit()
    task.refresh_from_db()
    assert task.queue_name == "old-name"
    assert broker.wire.contents.present("old-name", [f"{task.task_id}:0"]) == [True], (
        "lost messages are published there, too"
    )
    presence.stop(worker.pk)
    relay.audit()
    task.refresh_from_db()
    assert task.queue_name == "default"


def test_a_task_of_an_unknown_queue_and_actor_waits_with_the_reason_and_fails_with_it(broker, relay, caplog) -> None:
    task = recorded("elsewhere.unknown", "unknown")
    relay.audit()
    task.refresh_from_db()
    assert (task.status, task.delayed) == ("pending", True)
    assert task.error_message.startswith("No worker takes tasks from the queue 'unknown'.")
    assert task.unknown_since is not None
    assert "unknown queue and actor queue=unknown actor=elsewhere.unknown count=1" in caplog.text
    past = timezone.now() - timedelta(minutes=11)
    TaskStatus.objects.update(unknown_since=past, run_at=past)
    relay.publish_due()
    relay.audit()
    task.refresh_from_db()
    assert (task.status, task.error_message[:21]) == ("failed", "No worker takes tasks")
    assert caplog.text.count("unknown queue and actor") == 1


@pytest.mark.parametrize("actor_name", ["acting.effect", "elsewhere.unknown"])
def test_nothing_of_a_queue_that_is_gone_stays_in_redis(broker, relay, redis_client, actor_name) -> None:
    for _ in range(3):
        recorded(actor_name, "old-name")
    TaskStatus.objects.update(delayed=True)
    relay.publish_due()
    keys = [broker.wire.queue_key("old-name"), broker.wire.messages_key("old-name")]
    assert redis_client.exists(*keys) == 2
    relay.audit()
    assert redis_client.exists(*keys) == 0


def test_a_queue_without_a_worker_is_told_once_and_so_is_its_end(broker, relay, caplog) -> None:
    caplog.set_level(logging.INFO)
    tasks.effect.send("n")
    rows.worker_process(queues=["slow"])
    relay.audit()
    assert "no worker takes" not in caplog.text, "its workers may be starting"
    relay.audit()
    relay.audit()
    assert caplog.text.count("no worker takes from a queue queue=default tasks=1") == 1
    rows.worker_process(queues=["default"])
    relay.audit()
    assert "a worker takes from a queue again queue=default" in caplog.text


def test_tasks_of_a_paused_queue_stay_although_no_worker_takes_it(broker, relay, caplog) -> None:
    moved, unknown = recorded("acting.effect", "old-name"), recorded("gone.actor", "gone")
    tasks.effect.send("n")
    rows.worker_process(queues=["slow"])
    for name in ("old-name", "gone", "default"):
        rows.pause("queue", name)
    relay.audit()
    relay.audit()
    assert "no worker takes" not in caplog.text
    for task in (moved, unknown):
        before = (task.queue_name, task.delayed, task.unknown_since)
        task.refresh_from_db()
        assert (task.queue_name, task.delayed, task.unknown_since) == before


@pytest.mark.parametrize(("names", "expected"), [(["slow"], ["slow"]), ([], None)])
def test_the_row_of_a_worker_names_its_queues(broker, booted, names, expected) -> None:
    worker = Worker(broker, queues=set(weights.parse(names)) or None, worker_threads=1, worker_timeout=50)
    worker.start()
    row = WorkerProcess.objects.get()
    worker.stop(timeout=5_000)
    broker.middleware.pop()
    assert row.queues == (expected or sorted(dramatiq.get_broker().get_declared_queues()))


def test_a_moved_task_is_not_moved_if_a_worker_took_it_meanwhile(broker) -> None:
    task = recorded("acting.effect", "old-name")
    [row] = ledger.due_after(0, limit=10)
    TaskStatus.objects.filter(pk=task.pk).update(attempt=1)
    assert ledger.move([row], to_queue="default") == []
    task.refresh_from_db()
    assert task.queue_name == "old-name"
