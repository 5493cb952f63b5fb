"""Causes of failures are found by an index, however many are kept."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.tasks.models import TaskStatus
from apps.tasks.statements import causes
from tests import rows

pytestmark = pytest.mark.django_db


def fail(cause: str, *minutes: float, at: datetime | None = None) -> None:
    """Make failures of a cause, each some minutes before now."""
    now = timezone.now()
    TaskStatus.objects.bulk_create(
        TaskStatus(
            task_id=f"{cause}-{minute}-{number}", task_name="acting.add", status="failed", cause=cause, run_at=now,
            finished_at=at or now - timedelta(minutes=minute),
        )
        for number, minute in enumerate(minutes)
    )  # fmt: skip


def lately(**values: object) -> list[tuple[str, int]]:
    found = causes.look(timezone.now() - timedelta(hours=1), **{"limit": 8, "most_counted": 100, **values})  # type: ignore[arg-type]
    return [(one.cause, one.number) for one in found.causes]


def test_the_most_frequent_come_first_and_of_equal_ones_the_last_one_to_happen() -> None:
    fail("a", 9)
    fail("z", 5)
    fail("m", 7)
    fail("often", 30, 31)
    fail("old", 90)
    assert lately() == [("often", 2), ("z", 1), ("m", 1), ("a", 1)]


def test_causes_of_one_moment_keep_their_order() -> None:
    at = timezone.now()
    for cause in ("c", "a", "b"):
        fail(cause, 0, at=at)
    assert [cause for cause, _ in lately()] == ["b", "a", "c"]


def test_a_fresh_cause_is_found_beside_more_kept_ones_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "MOST_CAUSES", 5)
    for number in range(20):
        fail(f"cause {number:02}", 600)
    fail("zz fresh", 1)
    assert lately() == [("zz fresh", 1)]


def test_a_rare_cause_is_found_beside_more_failures_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "MOST_FAILURES", 10)
    fail("rare", 50)
    fail("flood", *range(20))
    assert lately() == [("flood", 20), ("rare", 1)]
    assert lately(newest_first=True) == [("flood", 20), ("rare", 1)]
    assert lately(most_counted=5) == [("flood", 6), ("rare", 1)]


def test_it_is_said_if_a_rare_cause_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "MOST_FAILURES", 3)
    monkeypatch.setattr(causes, "MOST_CAUSES", 4)
    since = timezone.now() - timedelta(hours=1)
    fail("a", *range(9))
    assert not causes.look(since, limit=8, most_counted=9).is_partial
    for number in range(9):
        fail(f"b{number}", 600)
    fail("z", 1)
    found = causes.look(since, limit=8, most_counted=9)
    assert found.is_partial
    assert {one.cause for one in found.causes} == {"a", "z"}, "those of the newest failures are there in any case"


def test_numbers_are_counted_for_each_time() -> None:
    fail("a", 10, 100, 1000)
    now = timezone.now()
    times = [now - timedelta(hours=hours) for hours in (1, 3, 24)]
    assert causes.numbers(["a", "none"], times, most_counted=10) == {"a": (1, 2, 3), "none": (0, 0, 0)}
    assert causes.numbers(["a"], times, most_counted=1) == {"a": (1, 2, 2)}
    first = causes.first_seen(["a", "none"])
    assert first.keys() == {"a"}
    assert first["a"] < times[1]


def test_causes_are_read_from_indexes() -> None:
    fail("a", 1)
    rows.task()
    with CaptureQueriesContext(connection) as queries:
        lately()
        causes.numbers(["a"], [timezone.now()], most_counted=1)
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads a small table whole")
    with connection.cursor() as cursor:
        for query in queries.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = [row[3] for row in cursor.fetchall()]
            assert not [line for line in plan if line.startswith("SCAN t") and "USING" not in line], plan
