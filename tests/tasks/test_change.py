"""Another time, priority or queue for pending tasks, and the deletion of ended ones."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.tasks import ledger, states
from apps.tasks.models import Limit, Schedule, ScheduleSlot, TaskAttempt, TaskChild, TaskKey, TaskStatus
from apps.tasks.values import Send
from tests import rows

pytestmark = pytest.mark.django_db

LATER = timedelta(hours=1)


def fresh(task: TaskStatus) -> TaskStatus:
    task.refresh_from_db()
    return task


def claims(task: TaskStatus, attempt: int) -> bool:
    """Return whether a worker that has the message of an attempt gets the task."""
    held, _ = ledger.claim([(task.task_id, attempt)], claim_id=uuid.uuid4(), worker_id=uuid.uuid4())
    return bool(held)


def published() -> list[str]:
    return [row.task_id for row in ledger.take_due(limit=9)]


# --- Run now -------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{}, {"retries": 2}, {"unknown_since": timezone.now()}])
def test_a_task_that_waits_for_its_time_is_due_at_once_in_the_same_attempt(values: dict[str, Any]) -> None:
    task = rows.task(delayed=True, run_at=timezone.now() + LATER, attempt=3, **values)
    assert published() == []

    assert ledger.run_now([task.pk]) == {task.pk}

    assert published() == [task.task_id]
    assert claims(task, 3)


@pytest.mark.parametrize(
    "values", [{}, {"delayed": True}, {"in_line": True}, {"status": states.PROCESSING}, {"status": states.FAILED}]
)
def test_a_task_that_waits_for_no_time_is_left_as_it_is(values: dict[str, Any]) -> None:
    task = rows.task(**values)
    assert ledger.run_now([task.pk]) == set()
    assert fresh(task).attempt == 0


def test_a_limited_task_becomes_the_first_of_its_line_and_of_no_other() -> None:
    Limit.objects.create(task_name="acting.limited", concurrency=1)
    ids = [str(uuid.uuid4()) for _ in range(4)]
    ledger.record(
        Send(task_id=one, task_name="acting.limited", queue_name="default", line=line, priority=priority)
        for one, line, priority in zip(ids, ("", "", "", "other"), (0, -5, 0, -9), strict=True)
    )
    last = TaskStatus.objects.get(task_id=ids[2])

    assert ledger.run_now([last.pk]) == {last.pk}

    assert fresh(last).priority == -6
    admitted = ledger.admit("acting.limited", [""], threads=4)
    assert [row.task_id for row in admitted.rows] == [ids[2]]


def test_a_line_whose_first_is_as_urgent_as_can_be_keeps_its_order() -> None:
    values: dict[str, Any] = {"task_name": "acting.limited", "line": "", "in_line": True}
    rows.task(priority=ledger.LEAST_PRIORITY, **values)
    second = rows.task(**values)
    assert ledger.run_now([second.pk]) == {second.pk}
    assert fresh(second).priority == ledger.LEAST_PRIORITY


def test_a_task_that_waits_for_the_previous_run_of_its_schedule_is_left_to_the_scheduler() -> None:
    task = rows.task(delayed=True, run_at=timezone.now() + LATER)
    schedule = Schedule.objects.create(
        name="daily", task_name="acting.effect", interval_seconds=60,
        anchor_at=timezone.now(), decided_until=timezone.now(),
    )  # fmt: skip
    ScheduleSlot.objects.create(
        schedule=schedule, slot=timezone.now(), first_slot=timezone.now(), task_id=task.task_id,
        outcome=ScheduleSlot.FIRED, is_open=True, is_held=True,
    )  # fmt: skip
    assert ledger.held([task.pk]) == {task.pk}
    assert ledger.run_now([task.pk]) == set()


# --- Priority and queue ---------------------------------------------------------------------------

CHANGES = pytest.mark.parametrize(
    ("change", "value", "column"),
    [(ledger.change_priority, -3, "priority"), (ledger.change_queue, "slow", "queue_name")],
)


@CHANGES
def test_the_old_message_of_a_changed_task_is_refused_and_a_new_one_published(
    change: Any, value: Any, column: str
) -> None:
    task = rows.task(attempt=2)

    assert change([task.pk], value) == {task.pk}

    assert getattr(fresh(task), column) == value
    assert not claims(task, 2)
    assert published() == [task.task_id]
    assert claims(task, 3)


@CHANGES
def test_a_task_without_a_message_in_redis_keeps_its_attempt_and_its_time(change: Any, value: Any, column: str) -> None:
    delayed = rows.task(delayed=True, run_at=timezone.now() + LATER)
    limited = rows.task(line="", in_line=True)

    assert change([delayed.pk, limited.pk], value) == {delayed.pk, limited.pk}

    assert published() == []
    assert [(fresh(task).attempt, getattr(task, column)) for task in (delayed, limited)] == [(0, value)] * 2
    assert limited.in_line


@CHANGES
def test_a_limited_task_that_was_handed_out_leaves_its_place_and_stands_in_line_again(
    change: Any, value: Any, column: str
) -> None:
    Limit.objects.create(task_name="acting.limited", concurrency=1)
    task = rows.task("acting.limited", line="")
    assert TaskStatus.objects.with_place().get() == task

    change([task.pk], value)

    assert not TaskStatus.objects.with_place().exists()
    assert published() == [task.task_id]
    assert TaskStatus.objects.in_line().get() == task
    assert [row.task_id for row in ledger.admit("acting.limited", threads=4).rows] == [task.task_id]


@CHANGES
def test_only_pending_tasks_are_changed_and_only_those_that_differ(change: Any, value: Any, column: str) -> None:
    tasks = [rows.task(status=status) for status in states.STATES if status != states.PENDING]
    tasks.append(rows.task(**{column: value}))
    assert change([task.pk for task in tasks], value) == set()
    assert {fresh(task).attempt for task in tasks} == {0}


# --- Delete ---------------------------------------------------------------------------------------


def delete(*tasks: TaskStatus) -> set[int]:
    return ledger.delete_ended([task.pk for task in tasks], before=timezone.now())


def test_ended_tasks_are_deleted_with_their_attempts() -> None:
    ended = [rows.task(status=status, finished_at=timezone.now()) for status in states.TERMINAL]
    TaskAttempt.objects.create(task=ended[1], attempt=0, outcome="retry", ended_at=timezone.now())
    unfinished = [rows.task(status=status) for status in states.UNFINISHED]

    assert delete(*ended, *unfinished) == {task.pk for task in ended}
    assert set(TaskStatus.objects.all()) == set(unfinished)
    assert not TaskAttempt.objects.exists()


def test_a_task_that_another_row_still_reads_is_not_deleted() -> None:
    key, parent = (
        rows.task(status=states.CANCELLED, finished_at=timezone.now(), options=options)
        for options in ({"unique": "once"}, {})
    )
    TaskKey.objects.create(key="once", task_id=key.task_id, until=timezone.now() + LATER)
    TaskChild.objects.create(task_id="child", parent_id=parent.task_id)

    assert ledger.still_needed([key.pk, parent.pk]) == {key.pk, parent.pk}
    assert delete(key, parent) == set()


def test_a_task_whose_end_is_not_counted_yet_is_not_deleted() -> None:
    task = rows.task(status=states.FAILED, finished_at=timezone.now())
    assert ledger.delete_ended([task.pk], before=timezone.now() - LATER) == set()
