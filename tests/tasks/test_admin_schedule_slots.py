"""The last slots of each schedule, on the list of schedules."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.tasks.admin.schedule import tracker
from apps.tasks.models import Schedule, ScheduleSlot
from tests import rows
from tests.pages import get, statements

pytestmark = [pytest.mark.once, pytest.mark.django_db]

SCHEDULES = reverse("admin:tasks_schedule_changelist")
NOW = timezone.now()


def schedule(name: str = "nightly") -> Schedule:
    return Schedule.objects.create(
        name=name, cron="0 8 * * *", task_name="aiwriting.debug_task", anchor_at=NOW, decided_until=NOW, next_at=NOW
    )


def slot(of: Schedule, number: int, outcome: str = ScheduleSlot.FIRED, status: str = "", **values: Any) -> None:
    at = NOW - timedelta(hours=number)
    task_id = rows.task(status=status).task_id if status else "deleted"
    ScheduleSlot.objects.create(
        schedule=of, slot=at, first_slot=at, outcome=outcome, task_id=task_id, **values
    )  # fmt: skip


def test_slots_are_told_by_what_became_of_them(admin_client: Client) -> None:
    found = schedule()
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        (ScheduleSlot.FIRED, "completed", {}),
        (ScheduleSlot.BY_HAND, "failed", {}),
        (ScheduleSlot.FIRED, "processing", {}),
        (ScheduleSlot.FIRED, "pending", {"is_held": True}),
        (ScheduleSlot.FIRED, "cancelled", {}),
        (ScheduleSlot.FIRED, "", {}),
        (ScheduleSlot.SKIPPED, "", {}),
        (ScheduleSlot.MISSED, "", {"count": 4}),
    ]
    for number, (outcome, status, values) in enumerate(kinds):
        slot(found, number, outcome, status, **values)
    [slots] = tracker.of([found.pk]).values()
    assert [one.outcome for one in slots] == [
        "missed", "skipped", "gone", "cancelled", "held", "going", "failed", "done",
    ]  # fmt: skip
    page = get(admin_client, SCHEDULES)
    assert (
        "The last 11 slots: 1 failed, 4 missed, 1 waits for the run before, 1 skipped, 1 cancelled, 1 not done yet, "
        "1 done, 1 its task is deleted" in page.text
    )
    for outcome in ("done", "failed", "missed", "held"):
        assert page.with_attribute("data-outcome", outcome)


def test_the_last_thirty_are_shown_of_each_schedule(admin_client: Client) -> None:
    for name in ("a", "b"):
        found = schedule(name)
        for number in range(35):
            slot(found, number, ScheduleSlot.FIRED, "completed" if number < 30 else "failed")
    trackers = tracker.of(Schedule.objects.values_list("pk", flat=True))
    assert [[one.outcome for one in slots] for slots in trackers.values()] == [["done"] * 30] * 2


def test_a_list_takes_as_many_statements_however_many_slots(admin_client: Client) -> None:
    slot(schedule("a"), 1, status="completed")
    few = statements(admin_client, SCHEDULES)
    for name in ("b", "c", "d"):
        found = schedule(name)
        for number in range(5):
            slot(found, number, status="completed")
    assert len(statements(admin_client, SCHEDULES)) == len(few)
