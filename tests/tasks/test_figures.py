"""Figures: counts from the rows, by minute, actor and queue, and what is read of them."""

import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.tasks import figures, ledger, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.figures import Counts, counting, tally
from apps.tasks.figures.buckets import BOUNDS_SECONDS, BUCKETS
from apps.tasks.ledger import Kept, Retention
from apps.tasks.models import Tally, TallyMark, TaskAttempt, TaskStatus
from apps.tasks.models.tally import DAY, EVER, HOUR, MINUTE
from apps.tasks.values import Claim, Outcome, Send
from tests import rows
from tests.at_once import at_once

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def minutes_ago(number: float) -> datetime:
    """Return a time in the middle of a minute that is over and counted."""
    return tally.floor(timezone.now() - timedelta(minutes=number) - tally.LAG, 1) + 30 * SECOND


def task(sent_at: datetime, **values: Any) -> TaskStatus:
    """Make a task that was sent then, and due at once."""
    made = rows.task(**{"run_at": sent_at, **values})
    TaskStatus.objects.filter(pk=made.pk).update(created_at=sent_at)
    return made


def ended(at: datetime, status: str = states.COMPLETED, *, waited: float = 2, ran: float = 3, **values: Any) -> Any:
    """Make a task that ended then, in seconds after its start and its send."""
    started_at = at - ran * SECOND
    values = {"task_name": "acting.add", "started_at": started_at, **values}
    return task(started_at - waited * SECOND, status=status, finished_at=at, **values)


def attempt(made: TaskStatus, number: int, outcome: str, ended_at: datetime, *, ran: float | None = 3) -> TaskAttempt:
    started_at = None if ran is None else ended_at - ran * SECOND
    return TaskAttempt.objects.create(
        task=made, attempt=number, outcome=outcome, started_at=started_at, ended_at=ended_at
    )


def keep_up() -> None:
    while figures.keep_up():
        pass


def begin_at(time: datetime) -> TallyMark:
    """Let the counting begin at a time."""
    start = tally.floor(time, MINUTE)
    values = dict.fromkeys(("counted_until", "settled_until"), start)
    return TallyMark.objects.create(pk=1, summed_until=tally.floor(start, HOUR), **values)


def numbers(counts: Counts) -> dict[str, int]:
    """Return the kinds of events that happened, with their numbers."""
    return {kind: getattr(counts, kind) for kind in figures.KINDS if getattr(counts, kind)}


def by_minute(**where: Any) -> dict[datetime, dict[str, int]]:
    found = Tally.objects.filter(span=MINUTE, **where).order_by("start")
    return {row.start: numbers(Counts.of(row)) for row in found}


# --- Counting ---


def test_every_kind_of_event_is_counted_in_its_minute() -> None:
    at = minutes_ago(8)
    ended(at)
    ended(at, states.FAILED)
    ended(at, states.CANCELLED, started_at=None)
    retried = task(at, task_name="acting.add", status=states.PENDING, attempt=1)
    attempt(retried, 0, "retry", at)
    rescued = task(at, task_name="acting.add", status=states.PENDING, attempt=1)
    attempt(rescued, 0, "rescue", at)
    task(at, task_name="acting.add", status=states.PROCESSING, started_at=at)
    keep_up()
    minute = tally.floor(at, MINUTE)
    assert by_minute() == {
        minute: {
            "sent": 6, "started": 5, "completed": 1, "failed": 1, "retried": 1, "cancelled": 1, "rescued": 1
        }
    }  # fmt: skip


def test_each_event_is_counted_in_the_minute_in_which_it_happened() -> None:
    sent_at = minutes_ago(9)
    task(
        sent_at, task_name="acting.add", status=states.COMPLETED, started_at=sent_at + timedelta(minutes=1),
        finished_at=sent_at + timedelta(minutes=3),
    )  # fmt: skip
    keep_up()
    minute = tally.floor(sent_at, MINUTE)
    assert by_minute() == {
        minute: {"sent": 1},
        minute + timedelta(minutes=1): {"started": 1},
        minute + timedelta(minutes=3): {"completed": 1},
    }


def test_actors_and_queues_are_counted_apart() -> None:
    at = minutes_ago(2)
    for name, queue, number in (("a.one", "default", 3), ("a.one", "slow", 2), ("a.two", "default", 1)):
        for _ in range(number):
            ended(at, task_name=name, queue_name=queue)
    keep_up()
    found = {(row.task_name, row.queue_name): row.completed for row in Tally.objects.filter(span=MINUTE)}
    assert found == {("a.one", "default"): 3, ("a.one", "slow"): 2, ("a.two", "default"): 1}
    assert {names: counts.completed for names, counts in figures.totals().items()} == found


def test_the_last_run_of_a_failed_task_is_counted_once() -> None:
    at = minutes_ago(3)
    failed = ended(at, states.FAILED, attempt=1)
    attempt(failed, 0, "retry", at - 10 * SECOND)
    attempt(failed, 1, "fail", at)
    keep_up()
    assert Counts.together(figures.totals().values()).started == 2
    assert Counts.together(figures.totals().values()).failed == 1


def test_a_failure_that_was_retried_by_hand_stays_counted() -> None:
    at = minutes_ago(3)
    failed = ended(at, states.FAILED)
    attempt(failed, 0, "fail", at)
    assert ledger.retry(failed.task_id)
    keep_up()
    assert numbers(Counts.together(figures.totals().values())) == {"sent": 1, "started": 1, "failed": 1}


def test_waits_and_runs_are_in_their_buckets() -> None:
    at = minutes_ago(2)
    times = [0.004, 0.02, 0.3, 2, 20, 200, 20_000]
    for seconds in times:
        ended(at, waited=seconds, ran=seconds)
    ended(at, states.CANCELLED, started_at=None)
    keep_up()
    total = Counts.together(figures.totals().values())
    expected = [0] * BUCKETS
    for seconds in times:
        expected[sum(bound <= seconds for bound in BOUNDS_SECONDS)] += 1
    assert total.waits == total.runs == expected
    assert total.run_ms == pytest.approx(sum(times) * 1000, abs=2 * len(times))
    assert total.wait_ms == pytest.approx(sum(times) * 1000, abs=2 * len(times))


def test_a_start_before_its_time_is_no_negative_wait() -> None:
    ended(minutes_ago(2), waited=-5)
    keep_up()
    total = Counts.together(figures.totals().values())
    assert (total.wait_ms, total.waits[0]) == (0, 1)


def test_odd_times_of_another_program_hold_up_no_figures() -> None:
    at = minutes_ago(2)
    ended(at)
    table = TaskStatus._meta.db_table
    odd = ["infinity", "-infinity"] if connection.vendor == "postgresql" else ["never", "99999-01-01", ""]
    with connection.cursor() as cursor:
        for column in ("created_at", "run_at", "started_at", "finished_at"):
            for text in odd:
                made = ended(at, task_name="a.odd")
                cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [text, made.pk])
    begin_at(at - timedelta(minutes=5))
    keep_up()
    assert figures.totals()["acting.add", "default"].completed == 1
    assert figures.totals()["a.odd", "default"].completed == 3 * len(odd)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite compares times as texts")
def test_a_time_of_another_minute_that_compares_as_of_these_is_not_counted() -> None:
    midnight = tally.floor(timezone.now(), DAY)
    at = midnight - timedelta(hours=5)
    ended(at)
    odd = rows.task("acting.add", status=states.COMPLETED)
    begin_at(midnight - timedelta(hours=6))
    with connection.cursor() as cursor:
        text = at.strftime("%Y-%m-%dT%H:%M:%S")
        for column in ("created_at", "started_at", "finished_at"):
            cursor.execute(f"UPDATE {TaskStatus._meta.db_table} SET {column} = %s WHERE id = %s", [text, odd.pk])
    keep_up()
    assert figures.settled_until() > midnight
    assert by_minute()[tally.floor(at, MINUTE)]["completed"] == 1


def test_the_rows_of_the_minutes_are_found_by_indexes(django_assert_num_queries) -> None:
    ended(minutes_ago(2))
    with django_assert_num_queries(4), CaptureQueriesContext(connection) as queries:
        counting.count(minutes_ago(2), minutes_ago(1), from_id=1)
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    plans = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        for query in queries.captured_queries:
            cursor.execute(f"{explain} {query['sql']}")
            plans.append(str(cursor.fetchall()))
    assert "tasks_processing" in plans[1]
    assert "tasks_finished" in plans[2]
    assert "tasks_attempt_ended" in plans[3]


# --- Keeping up ---


def test_the_open_minute_is_read_from_the_rows() -> None:
    begin_at(timezone.now())
    ended(timezone.now(), waited=0, ran=0)
    assert not figures.keep_up()
    assert not Tally.objects.exists()
    assert figures.over(figures.HOUR).total.completed == 1
    assert (
        figures.over(figures.HOUR).points[-1].counts.completed + figures.over(figures.HOUR).points[-2].counts.completed
    )


def test_what_commits_late_is_counted_when_its_minute_is_settled(monkeypatch) -> None:
    at = minutes_ago(12)
    begin_at(at)
    monkeypatch.setattr(tally, "SETTLE", timedelta(hours=1))
    ended(at)
    keep_up()
    ended(at)
    monkeypatch.setattr(tally, "SETTLE", timedelta(minutes=5))
    assert by_minute()[tally.floor(at, MINUTE)]["completed"] == 1
    keep_up()
    assert by_minute()[tally.floor(at, MINUTE)] == {"sent": 2, "started": 2, "completed": 2}


def test_a_task_sent_with_an_earlier_id_is_counted() -> None:
    begin_at(minutes_ago(9))
    late, early = task(minutes_ago(5)), task(minutes_ago(5))
    TaskStatus.objects.filter(pk=late.pk).update(created_at=minutes_ago(5) + 20 * SECOND)
    TaskStatus.objects.filter(pk=early.pk).update(created_at=minutes_ago(5) - 20 * SECOND)
    keep_up()
    assert Counts.together(figures.totals().values()).sent == 2


def test_minutes_after_a_quiet_time_read_no_old_rows() -> None:
    begin_at(minutes_ago(30))
    last = [task(minutes_ago(28)) for _ in range(3)][-1]
    keep_up()
    mark = TallyMark.objects.get()
    assert mark.counted_from_id == mark.settled_from_id == last.pk + 1


def test_a_send_in_a_distant_future_lets_no_minute_read_all_rows_since() -> None:
    odd = task(timezone.now() + timedelta(days=400))
    for number in (40, 30, 20):
        task(minutes_ago(number))
    keep_up()
    mark = TallyMark.objects.get()
    assert min(mark.counted_from_id, mark.settled_from_id) > odd.pk
    assert Counts.together(figures.totals().values()).sent == 3


def test_two_relays_count_each_minute_once(monkeypatch) -> None:
    begin_at(minutes_ago(4))
    ended(minutes_ago(3))
    real = counting.count

    def count(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        monkeypatch.setattr(tally, "count", real)
        keep_up()  # Another relay, while this one reads.
        ended(minutes_ago(3))
        return found

    monkeypatch.setattr(tally, "count", count)
    keep_up()
    assert Counts.together(figures.totals().values()).completed == 1


@pytest.mark.django_db(transaction=True)
def test_relays_at_the_same_time_double_nothing() -> None:
    begin_at(minutes_ago(100))
    for number in range(100):
        ended(minutes_ago(number + 1), ran=0.1, waited=0.1)
    at_once(lambda number: keep_up(), times=3)
    assert Counts.together(figures.totals().values()).completed == 100
    assert sum(by["completed"] for by in by_minute().values() if "completed" in by) == 100


def test_the_first_relay_counts_the_tasks_of_the_last_time(monkeypatch) -> None:
    monkeypatch.setattr(tally, "FIRST", timedelta(hours=5))
    now = timezone.now()
    task(now - timedelta(hours=7))
    ended(now - timedelta(hours=4))
    ended(now - timedelta(hours=1))
    keep_up()
    assert numbers(Counts.together(figures.totals().values())) == {"sent": 2, "started": 2, "completed": 2}
    assert figures.over(figures.DAY).total.completed == 2


def test_nothing_is_counted_when_nothing_was_sent() -> None:
    keep_up()
    assert figures.totals() == {}
    assert not figures.over(figures.HOUR).is_behind


# --- Hours, days and all times ---


def test_hours_and_days_are_sums_and_all_times_their_total() -> None:
    now = timezone.now()
    for hours in (1.2, 3, 3.1, 26):
        ended(now - timedelta(hours=hours))
    begin_at(now - timedelta(hours=27))
    keep_up()
    total = Counts.together(figures.totals().values())
    assert total.completed == 4
    assert sum(total.runs) == 4
    assert Counts.together(map(Counts.of, Tally.objects.filter(span=HOUR))).completed in (3, 4)
    for span in (DAY, EVER):
        assert Counts.together(map(Counts.of, Tally.objects.filter(span=span))).columns() == (
            Counts.together(map(Counts.of, Tally.objects.filter(span=HOUR))).columns()
        )
    assert figures.over(figures.DAY).total.completed == 3
    assert figures.over(figures.WEEK).total.completed == 4
    assert len(figures.over(figures.WEEK).points) == 168


def test_a_clock_that_goes_back_doubles_nothing(caplog) -> None:
    for number in (150, 100, 70, 8, 3):
        ended(minutes_ago(number))
    begin_at(minutes_ago(200))
    keep_up()
    before = {names: counts.columns() for names, counts in figures.totals().items()}
    ahead = tally.floor(timezone.now() + timedelta(hours=3), HOUR)
    TallyMark.objects.update(
        counted_until=ahead, settled_until=ahead, summed_until=ahead, counted_from_id=10**9, settled_from_id=10**9
    )
    keep_up()
    assert "figures are counted anew" in caplog.text
    assert {names: counts.columns() for names, counts in figures.totals().items()} == before


def test_minutes_and_hours_that_were_counted_ahead_of_the_clock_are_not_doubled(monkeypatch) -> None:
    now = timezone.now()
    begin_at(now - timedelta(minutes=90))
    for minutes in (0, 70):
        ended(now - timedelta(minutes=minutes), waited=0, ran=0)
    with monkeypatch.context() as ahead:
        ahead.setattr(tally, "ClockTimestamp", lambda: ClockTimestamp(offset_ms=3 * 3_600_000))
        keep_up()
    assert TallyMark.objects.get().summed_until > now
    assert Counts.together(figures.totals().values()).completed == 2
    assert figures.keep_up()
    for _ in range(2):
        assert Counts.together(figures.totals().values()).completed == 2
        assert figures.over(figures.DAY).total.completed == 2
        assert Counts.together(point.counts for point in figures.over(figures.HOUR).points).completed == 1
        keep_up()


@pytest.mark.parametrize("odd", [3, {}, "text", [None, "1"], [1] * 99])
def test_an_odd_tally_of_another_program_holds_up_no_figures(odd: Any) -> None:
    begin_at(minutes_ago(90))
    ended(minutes_ago(80))
    for span, start in ((EVER, tally.BEGINNING), (HOUR, tally.floor(minutes_ago(80), HOUR))):
        Tally.objects.create(span=span, start=start, task_name="acting.add", queue_name="default", waits=odd, runs=odd)
    keep_up()
    assert Counts.together(figures.totals().values()).completed == 1


def test_old_tallies_are_deleted_by_their_span() -> None:
    now = timezone.now()
    for span, days in ((MINUTE, 2), (HOUR, 60), (DAY, 730), (EVER, 10_000)):
        for age in (days - 0.5, days + 2):
            Tally.objects.create(span=span, start=now - timedelta(days=age), task_name="a", queue_name="q")
    assert figures.forget() == 3
    assert Counter(Tally.objects.values_list("span", flat=True)) == {MINUTE: 1, HOUR: 1, DAY: 1, EVER: 2}


def test_old_minutes_are_kept_until_their_hour_is_summed() -> None:
    long_ago = timezone.now() - timedelta(days=5)
    begin_at(long_ago)
    Tally.objects.create(span=MINUTE, start=long_ago, task_name="a", queue_name="q")
    assert figures.forget() == 0


# --- Reading ---


def test_a_period_has_a_point_for_each_step() -> None:
    at = minutes_ago(10)
    ended(at)
    keep_up()
    series = figures.over(figures.HOUR)
    assert len(series.points) == 60
    assert [point.start for point in series.points if point.counts.completed] == [tally.floor(at, MINUTE)]
    assert [point.start for point in series.points] == sorted(point.start for point in series.points)
    assert series.by_actor()["acting.add"].completed == series.by_queue()["default"].completed == 1


def test_without_a_relay_the_figures_say_that_they_are_behind() -> None:
    begin_at(minutes_ago(30))
    ended(minutes_ago(20))
    found = figures.over(figures.HOUR)
    assert found.is_behind
    assert found.total.completed == 0


def test_a_reading_takes_few_statements(django_assert_num_queries) -> None:
    for number in range(5):
        ended(minutes_ago(number), task_name=f"a.{number}")
    keep_up()
    for period in figures.PERIODS.values():
        with django_assert_num_queries(6):
            figures.over(period)


@pytest.mark.parametrize("hours", [0.2, 1.5, 5])
def test_the_counts_between_two_times_are_those_of_the_rows(hours: float) -> None:
    since = tally.floor(timezone.now() - timedelta(hours=hours), MINUTE)
    until = since + timedelta(hours=1, minutes=7)
    expected: Counter[str] = Counter()
    for number in range(40):
        at = since - timedelta(minutes=40) + timedelta(minutes=5 * number, seconds=3)
        if at < timezone.now():
            name = f"a.{number % 3}"
            ended(at, task_name=name)
            expected[name] += since <= at < until
    keep_up()
    found = figures.between(since, until)
    assert {name: counts.completed for name, counts in found.items()} == {k: v for k, v in expected.items() if v}


def test_the_counts_between_times_of_long_ago_are_those_of_whole_hours() -> None:
    while figures.keep_up():
        pass
    since = tally.floor(timezone.now() - timedelta(days=20), HOUR)
    for hour in range(-1, 5):
        at = since + timedelta(hours=hour)
        Tally.objects.create(span=HOUR, start=at, task_name="a", queue_name="default", completed=10 ** max(hour, 0))
    found = figures.between(since + timedelta(minutes=20), since + timedelta(hours=2, minutes=20))
    assert found["a"].completed == 111


# --- Deletion ---


def test_no_row_is_deleted_before_it_is_counted() -> None:
    kept = Kept(by_state={states.COMPLETED: timedelta(0)})
    begin_at(minutes_ago(60))
    settled, fresh = ended(minutes_ago(30)), ended(minutes_ago(2))
    retention = Retention()
    assert not retention.work(kept, seconds=10, before=figures.settled_until())
    assert TaskStatus.objects.count() == 2
    keep_up()
    assert not Retention().work(kept, seconds=10, before=figures.settled_until())
    assert set(TaskStatus.objects.values_list("pk", flat=True)) == {fresh.pk}
    assert settled.pk != fresh.pk
    assert Counts.together(figures.totals().values()).completed == 2


# --- Real moves ---


def test_the_figures_equal_what_the_ledger_did() -> None:
    worker, batch = uuid.uuid4(), uuid.uuid4()
    begin_at(timezone.now())
    names = ["completes", "fails", "retries", "dies", "is cancelled", "waits"]
    ledger.record([Send(task_id=name, task_name="acting.add", queue_name="default") for name in names])
    held, _ = ledger.claim([(name, 0) for name in names[:4]], claim_id=batch, worker_id=worker)
    claims = {row.task_id: Claim(row.task_id, row.row_id, 0, batch, worker) for row in held}
    ledger.finish(
        [
            Outcome(claim=claims["completes"], move=states.COMPLETE, ran_ms=5),
            Outcome(claim=claims["fails"], move=states.FAIL, ran_ms=5, error_message="no"),
            Outcome(claim=claims["retries"], move=states.RETRY, ran_ms=5, error_message="no", delay_ms=60_000),
        ]
    )
    ledger.cancel("is cancelled")
    ledger.rescue(worker, max_crashes=3)
    assert numbers(figures.over(figures.HOUR).total) == {
        "sent": 6, "started": 3, "completed": 1, "failed": 1, "retried": 1, "cancelled": 1, "rescued": 1
    }  # fmt: skip
