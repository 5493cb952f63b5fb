"""Tasks are deleted when they ended long ago, and their results are emptied before that."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.ledger import Kept, Retention
from apps.tasks.models import TaskAttempt, TaskChild, TaskGroup, TaskGroupMember, TaskKey, TaskStatus
from tests import rows
from tests.threads import beside

pytestmark = pytest.mark.django_db

KEPT = Kept(
    by_state={"completed": timedelta(days=7), "cancelled": timedelta(days=30), "failed": timedelta(days=90)},
)


def ended(days: float, *, status: str = "completed", **values: Any) -> TaskStatus:
    """Make a task that was sent an hour before it ended, so many days ago."""
    at = timezone.now() - timedelta(days=days)
    task = rows.task(status=status, finished_at=at, **values)
    TaskStatus.objects.filter(pk=task.pk).update(created_at=at - timedelta(hours=1))
    return task


def left(kept: Kept = KEPT, retention: Retention | None = None) -> set[int]:
    """Delete what is old enough. Return the ids of the rows that are left."""
    retention = retention or Retention()
    while retention.work(kept, seconds=0):
        pass
    return set(TaskStatus.objects.values_list("pk", flat=True))


@pytest.mark.parametrize(("status", "days"), [("completed", 7), ("cancelled", 30), ("failed", 90)])
def test_an_ended_task_is_kept_for_the_time_of_its_state(status, days) -> None:
    young, old = ended(days - 0.1, status=status), ended(days + 0.1, status=status)
    assert left() == {young.pk}
    assert not TaskStatus.objects.filter(pk=old.pk).exists()


def test_a_task_that_has_not_ended_is_kept_however_old_it_is() -> None:
    tasks = {rows.task(status=status).pk for status in ("pending", "processing")}
    TaskStatus.objects.update(created_at=timezone.now() - timedelta(days=1_000))
    assert left() == tasks


def test_a_task_that_took_long_is_kept_from_its_end_on() -> None:
    task = ended(1)
    TaskStatus.objects.update(created_at=timezone.now() - timedelta(days=100))
    assert left() == {task.pk}


def test_attempts_go_with_their_task() -> None:
    for days in (1, 100):
        TaskAttempt.objects.create(task=ended(days), attempt=0, outcome="retry", ended_at=timezone.now())
    assert len(left()) == 1
    assert TaskAttempt.objects.count() == 1


def test_a_task_that_another_table_protects_stays_and_holds_up_no_other() -> None:
    tasks = [ended(100) for _ in range(5)]
    table = TaskStatus._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE guards (task_id bigint NOT NULL REFERENCES {table} (id))")
        cursor.executemany("INSERT INTO guards VALUES (%s)", [(tasks[1].pk,), (tasks[4].pk,)])
    retention = Retention()
    assert left(retention=retention) == {tasks[1].pk, tasks[4].pk}
    assert retention.deleted == 3


def test_an_actor_may_say_another_time() -> None:
    kept = Kept(by_state=KEPT.by_state, by_actor={"a.short": timedelta(hours=1), "a.forever": None})
    ended(0.1, task_name="a.short", status="failed")
    forever = ended(1_000, task_name="a.forever")
    other = ended(0.1, task_name="a.other")
    assert left(kept) == {forever.pk, other.pk}


def test_nothing_is_deleted_that_is_kept_for_ever() -> None:
    task = ended(1_000)
    assert left(Kept(by_state={"completed": None})) == {task.pk}


def test_a_result_is_emptied_before_its_task_is_deleted() -> None:
    kept = Kept(by_state=KEPT.by_state, results=timedelta(days=1), results_by_actor={"a.keeps": None})
    young, old, other = ended(0.5, result=[1]), ended(2, result=[2]), ended(2, task_name="a.keeps", result=[3])
    retention = Retention()
    assert left(kept, retention) == {young.pk, old.pk, other.pk}
    assert [TaskStatus.objects.get(pk=task.pk).result for task in (young, old, other)] == [[1], None, [3]]
    assert (retention.emptied, retention.deleted) == (1, 0)


def member(group: TaskGroup, task: TaskStatus) -> TaskStatus:
    TaskGroupMember.objects.create(group=group, task_id=task.task_id, position=task.pk, number=0, is_last=True)
    return task


def test_a_member_stays_while_its_group_waits_for_others() -> None:
    group = TaskGroup.objects.create(key="g", size=2, waits_for="x")
    task, other = member(group, ended(100, options={"group_key": "g"})), ended(100, options={"group_key": "gone"})
    assert left() == {task.pk}
    TaskGroup.objects.filter(pk=group.pk).update(ended_at=timezone.now(), waits_for="")
    assert left() == set()
    assert not TaskStatus.objects.filter(pk=other.pk).exists()


def test_a_member_stays_while_its_group_waits_for_a_retry_by_hand() -> None:
    """All members must be counted as completed then, for the callback."""
    group = TaskGroup.objects.create(key="g", size=2, waits_for="failed", ended_at=timezone.now())
    task = member(group, ended(100, options={"group_key": "g"}))
    assert left() == {task.pk}


def test_a_member_of_an_inner_group_stays_while_the_outer_group_waits() -> None:
    task = ended(100, options={"group_key": "inner"})
    member(TaskGroup.objects.create(key="inner", size=1, ended_at=timezone.now()), task)
    outer = TaskGroup.objects.create(key="outer", size=2, waits_for="x")
    TaskGroupMember.objects.create(group=outer, task_id=task.task_id, position=0, number=0, is_last=True)
    assert left() == {task.pk}


@pytest.mark.parametrize(("minutes", "is_kept"), [(1, True), (-1, False)])
def test_a_task_stays_while_it_throttles_further_sends(minutes: int, is_kept: bool) -> None:
    task = ended(100, options={"unique": "k"})
    TaskKey.objects.create(key="k", task_id=task.task_id, until=timezone.now() + timedelta(minutes=minutes))
    TaskKey.objects.create(key="other", task_id=ended(100, options={"unique": "other"}).task_id)
    assert left() == ({task.pk} if is_kept else set())


def test_a_cancelled_task_stays_until_its_children_have_ended() -> None:
    parent, other = ended(100, status="cancelled"), ended(100)
    for task, name in ((parent, "a"), (other, "b")):
        TaskChild.objects.create(task_id=name, parent_id=task.task_id)
    assert left() == {parent.pk}
    ledger.forget_children()
    assert left() == set()


def test_rows_are_read_once_and_those_that_were_too_young_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.tasks.ledger.retention.PAGE", 2)
    retention = Retention()
    tasks = [ended(days) for days in (9, 8, 6, 5)]
    assert left(retention=retention) == {task.pk for task in tasks[2:]}
    TaskStatus.objects.filter(pk=tasks[2].pk).update(
        created_at=timezone.now() - timedelta(days=8), finished_at=timezone.now() - timedelta(days=8)
    )
    assert left(retention=retention) == {tasks[3].pk}


def test_tasks_of_a_time_to_come_hold_up_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's clock was wrong for a while."""
    monkeypatch.setattr("apps.tasks.ledger.retention.PAGE", 2)
    to_come = {ended(-1_000).pk for _ in range(3)}
    old = ended(8)
    assert left() == to_come
    assert not TaskStatus.objects.filter(pk=old.pk).exists()


def test_a_task_that_ended_after_its_row_was_read_is_found_within_a_day() -> None:
    task = rows.task(status="processing")
    TaskStatus.objects.update(created_at=timezone.now() - timedelta(days=100))
    hours = [0]
    retention = Retention(clock=lambda: hours[0] * 3_600.0)
    assert left(retention=retention) == {task.pk}
    TaskStatus.objects.update(status="completed", finished_at=timezone.now() - timedelta(days=8))
    hours[0] = 23
    assert left(retention=retention) == {task.pk}
    hours[0] = 25
    assert left(retention=retention) == set()


def test_work_is_done_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.tasks.ledger.retention.PAGE", 10)
    for _ in range(25):
        ended(100)
    retention = Retention()
    assert retention.work(KEPT, seconds=0)
    assert TaskStatus.objects.count() == 15
    assert left(retention=retention) == set()
    assert retention.deleted == 25


def test_steps_that_take_long_become_smaller_and_grow_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(25):
        ended(100)
    monkeypatch.setattr("apps.tasks.ledger.retention.LEAST_PAGE", 3)
    monkeypatch.setattr("apps.tasks.ledger.retention.PAGE", 8)
    retention = Retention()
    counts = []
    for limit_seconds in (0, 0, 0, 1_000, 1_000):
        monkeypatch.setattr("apps.tasks.ledger.retention.STEP_SECONDS", limit_seconds)
        retention.work(KEPT, seconds=0)
        counts.append(TaskStatus.objects.count())
    assert counts == [25 - 8, 17 - 4, 13 - 3, 10 - 3, 7 - 6]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer")
def test_a_row_that_another_transaction_has_locked_is_left() -> None:
    locked, free = ended(100), ended(100)
    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(pk=locked.pk)
        assert beside(left) == {locked.pk}
    assert not TaskStatus.objects.filter(pk=free.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_a_task_that_is_retried_by_hand_is_no_longer_old() -> None:
    task = ended(100, status="failed")
    with transaction.atomic():
        ledger.retry(task.task_id)
    assert left() == {task.pk}
