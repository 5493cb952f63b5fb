"""Counts the rows of tasks and their attempts, by minute, actor and queue.

The statements are written by hand: a row is read once for all that it tells. Its times are reckoned in a subquery with
`OFFSET 0`, which the database does not merge with the rest, so that they are reckoned once.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from apps.tasks import states
from apps.tasks.figures.buckets import BOUNDS_SECONDS
from apps.tasks.figures.counts import Counts
from apps.tasks.models import TaskAttempt
from apps.tasks.statements.table import quoted_table

#: Longest time that is reckoned, in seconds. Another program may have written a start in the year 1.
LONGEST_SECONDS = 10 * 365 * 86_400
#: Time after the minutes in which an end still tells of a start in them. Another program may have written `infinity`.
#: Also the time by which a send may be ahead of the clock: ids are not kept for one that is further.
FURTHEST = timedelta(days=1)

#: Columns of the ended tasks that a status counts for.
ENDS = {states.COMPLETED: "completed", states.FAILED: "failed", states.CANCELLED: "cancelled"}
#: Columns that each end of an attempt counts for.
OUTCOMES = {states.RETRY.name: "retried", states.RESCUE.name: "rescued", states.POISON.name: "rescued"}
#: Columns that the end of a task counts for once it was retried by hand, so that its row tells it no more.
PAST_ENDS = {states.FAIL.name: "failed", states.POISON.name: "failed", states.CANCEL_CLAIMED.name: "cancelled"}

SENT = """
SELECT {created}, t.task_name, t.queue_name, count(*)
FROM {tasks} AS t
WHERE t.id >= %(from_id)s AND t.created_at >= %(since)s AND t.created_at < %(until)s
GROUP BY 1, 2, 3
"""
#: Of the tasks that ended after the minutes, only those that started in them are read.
ENDED = """
SELECT ended, started, task_name, queue_name, status, {wait_bucket}, {run_bucket}, count(*), sum(wait), sum(run)
FROM (
    SELECT t.task_name, t.queue_name, t.status,
        CASE WHEN t.finished_at < %(until)s THEN {finished} END AS ended,
        CASE WHEN t.started_at >= %(since)s AND t.started_at < %(until)s THEN {started} END AS started,
        CASE WHEN t.finished_at < %(until)s AND t.started_at IS NOT NULL THEN {wait} END AS wait,
        CASE WHEN t.finished_at < %(until)s AND t.started_at IS NOT NULL THEN {run} END AS run
    FROM {tasks} AS t
    WHERE t.finished_at >= %(since)s AND t.finished_at < %(furthest)s
        AND (t.finished_at < %(until)s OR t.started_at < %(until)s)
    LIMIT {all} OFFSET 0
) AS one
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
RUNNING = """
SELECT {started}, t.task_name, t.queue_name, count(*)
FROM {tasks} AS t
WHERE t.status = 'processing' AND t.started_at >= %(since)s AND t.started_at < %(until)s
GROUP BY 1, 2, 3
"""
ATTEMPTS = """
SELECT
    CASE WHEN a.ended_at < %(until)s THEN {attempt_ended} END,
    CASE WHEN a.started_at >= %(since)s AND a.started_at < %(until)s THEN {attempt_started} END,
    t.task_name, t.queue_name, a.outcome, a.attempt < t.attempt, count(*)
FROM {attempts} AS a JOIN {tasks} AS t ON t.id = a.task_id
WHERE a.ended_at >= %(since)s AND a.ended_at < %(furthest)s
GROUP BY 1, 2, 3, 4, 5, 6
"""
#: The first task that may have been sent after a time, as far as those from an id on tell.
NEXT_ID = """
SELECT min(CASE WHEN t.created_at >= %(since)s AND t.created_at < %(furthest)s THEN t.id END), max(t.id)
FROM {tasks} AS t
WHERE t.id >= %(from_id)s
"""


class Key(NamedTuple):
    """Minute, actor and queue that are counted together."""

    minute: datetime
    task_name: str
    queue_name: str


def count(since: datetime, until: datetime, *, from_id: int) -> dict[Key, Counts]:
    """Return the counts of each minute in which anything happened.

    Parameters:
      since, until: Starts of minutes.
      from_id: Id of a task. None with a smaller one was sent in these minutes.
    """
    found: defaultdict[Key, Counts] = defaultdict(Counts)

    def note(minute: int | None, task_name: str, queue_name: str, column: str | None, number: int) -> Counts | None:
        if minute is None or column is None or not since.timestamp() <= minute * 60 < until.timestamp():
            # SQLite compares times as texts: one that another program wrote, with a T, may be of another minute.
            return None
        counts = found[Key(datetime.fromtimestamp(minute * 60, UTC), task_name, queue_name)]
        setattr(counts, column, getattr(counts, column) + number)
        return counts

    between = {"since": since, "until": until, "from_id": from_id, "furthest": until + FURTHEST}
    for sent, task_name, queue_name, number in _rows(SENT, between):
        note(sent, task_name, queue_name, "sent", number)
    for started, task_name, queue_name, number in _rows(RUNNING, between):
        note(started, task_name, queue_name, "started", number)
    for ended, started, task_name, queue_name, status, waited, ran, number, wait, run in _rows(ENDED, between):
        note(started, task_name, queue_name, "started", number)
        counts = note(ended, task_name, queue_name, ENDS.get(status), number)
        if counts is not None and wait is not None and run is not None:
            counts.waits[waited] += number
            counts.runs[ran] += number
            counts.wait_ms += round(wait * 1000)
            counts.run_ms += round(run * 1000)
    for ended, started, task_name, queue_name, outcome, is_past, number in _rows(ATTEMPTS, between):
        # The start of the last attempt is in the row of its task.
        note(started if is_past else None, task_name, queue_name, "started", number)
        note(ended, task_name, queue_name, OUTCOMES.get(outcome), number)
        note(ended if is_past else None, task_name, queue_name, PAST_ENDS.get(outcome), number)
    return dict(found)


def next_id(since: datetime, *, from_id: int) -> int:
    """Return the id of the first task that may have been sent since then, or that the next one may have.

    Parameters:
      from_id: The answer for an earlier time.
    """
    values = {"since": since, "furthest": timezone.now() + FURTHEST, "from_id": from_id}
    [(first, last)] = _rows(NEXT_ID, values)
    if first is not None:
        return int(first)
    return from_id if last is None else int(last) + 1


def _rows(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    adapted = {
        name: connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }
    with connection.cursor() as cursor:
        cursor.execute(statement.format(**_pieces()), adapted)
        return list(cursor.fetchall())


def _pieces() -> dict[str, str]:
    """Return the parts of the statements that the databases write differently."""
    is_postgresql = connection.vendor == "postgresql"

    def seconds(column: str) -> str:
        if is_postgresql:
            return f"date_part('epoch', {column})"
        return f"((julianday({column}) - 2440587.5) * 86400.0)"

    def minute(column: str) -> str:
        if is_postgresql:
            return f"floor({seconds(column)} / 60)::bigint"
        return f"CAST(strftime('%%s', substr({column}, 1, 19)) AS integer) / 60"

    def between(earlier: str, later: str) -> str:
        least, greatest = ("LEAST", "GREATEST") if is_postgresql else ("min", "max")
        return f"{least}({greatest}({seconds(later)} - {seconds(earlier)}, 0), {LONGEST_SECONDS})"

    def bucket(column: str) -> str:
        if is_postgresql:
            return f"width_bucket({column}, ARRAY[{', '.join(map(str, BOUNDS_SECONDS))}]::float8[])"
        return f"CASE WHEN {column} IS NOT NULL THEN {_halved(column, 0, len(BOUNDS_SECONDS))} END"

    return {
        "tasks": quoted_table(),
        "attempts": connection.ops.quote_name(TaskAttempt._meta.db_table),
        "created": minute("t.created_at"),
        "finished": minute("t.finished_at"),
        "started": minute("t.started_at"),
        "attempt_ended": minute("a.ended_at"),
        "attempt_started": minute("a.started_at"),
        "wait": between("t.run_at", "t.started_at"),
        "run": between("t.started_at", "t.finished_at"),
        "wait_bucket": bucket("wait"),
        "run_bucket": bucket("run"),
        "all": "ALL" if is_postgresql else "-1",
    }


def _halved(column: str, first: int, last: int) -> str:
    """Return the number of a bucket between two, found by halving."""
    if first == last:
        return str(first)
    middle = (first + last) // 2
    lower, upper = _halved(column, first, middle), _halved(column, middle + 1, last)
    return f"CASE WHEN {column} < {BOUNDS_SECONDS[middle]} THEN {lower} ELSE {upper} END"
