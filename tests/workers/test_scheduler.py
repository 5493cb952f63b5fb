"""The scheduler: declared slots become tasks, each once."""

from datetime import UTC, datetime

import dramatiq
import pytest

from apps.tasks.models import TaskStatus
from workers import scheduler

pytestmark = pytest.mark.django_db(transaction=True)

MONDAY = datetime(2026, 11, 23, 8, 0, 1, tzinfo=UTC)


@pytest.fixture
def declared(broker):
    return scheduler.periodic_actors(broker)


def test_the_declared_actors_are_known_with_their_times(declared) -> None:
    assert {name: text for name, (_, text) in declared.items()} == {
        "documents.clean_expired_documents": "0 3 * * *",
        "projects.send_weekly_report": "0 8 * * 1",
    }


def test_a_slot_is_sent_with_the_declared_arguments(declared) -> None:
    actor, text = declared["projects.send_weekly_report"]
    scheduler.fire(actor, text, now=MONDAY)
    row = TaskStatus.objects.get()
    assert (row.task_name, row.kwargs) == ("projects.send_weekly_report", {"report_type": "summary"})


def test_two_schedulers_that_fire_one_slot_send_one_task(declared) -> None:
    actor, text = declared["documents.clean_expired_documents"]
    first = scheduler.fire(actor, text, now=MONDAY)
    second = scheduler.fire(actor, text, now=MONDAY.replace(second=9))
    assert first == second
    assert TaskStatus.objects.count() == 1
    scheduler.fire(actor, text, now=MONDAY.replace(day=24))
    assert TaskStatus.objects.count() == 2


def test_every_declared_actor_is_a_job_of_the_clock(declared) -> None:
    jobs = scheduler.build(dramatiq.get_broker()).get_jobs()
    assert {job.id for job in jobs} == set(declared)
