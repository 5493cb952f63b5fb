"""Batches on SQLite: one JSON array in, one statement, one answer. SQLite has one writer, so no row is ever locked."""

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.tasks.json_safe import COMPACT
from apps.tasks.models import TaskLogPart
from apps.tasks.statements.table import owner_key, owner_sql, owner_value, quoted_table
from apps.tasks.values import Held, Outcome, Report, Send

TABLE = quoted_table()


def _insert_sql(*, is_limited: bool) -> str:
    return f"""
INSERT INTO {TABLE} (
    task_id, task_name, queue_name, priority, args, kwargs, options, run_at, delayed, expires_at, owner_id,
    related_object_type, related_object_id, created_at, updated_at, status, progress, progress_text, error_message,
    traceback, attempt, retries, crashes{", line, in_line, weight" if is_limited else ""}
)
VALUES (
    %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, {owner_sql("%s")}, %s, %s, %s, %s, 'pending', 0, '', '', '', 0, 0, 0
    {", %s, %s, %s" if is_limited else ""}
)
ON CONFLICT (task_id) DO NOTHING
"""


INSERT = _insert_sql(is_limited=False)
INSERT_LIMITED = _insert_sql(is_limited=True)

CLAIM = f"""
UPDATE {TABLE} AS t
SET status = 'processing', claim_id = %s, worker_id = %s, claimed_at = %s, updated_at = %s,
    error_message = CASE WHEN t.unknown_since IS NULL THEN t.error_message ELSE '' END
FROM (SELECT value ->> 0 AS task_id, value ->> 1 AS attempt FROM json_each(%s)) AS m
WHERE t.task_id = m.task_id AND t.attempt = m.attempt AND t.status = 'pending' AND t.crashes = 0
    AND t.run_at <= %s AND (t.expires_at IS NULL OR t.expires_at > %s) AND t.cancel_requested_at IS NULL
    AND NOT t.in_line AND (t.line IS NULL OR NOT t.delayed)
RETURNING task_id, id, owner_id, task_name, queue_name, args, kwargs, options, retries,
    (julianday(created_at) - 2440587.5) * 86400000, line, traceback
"""

COMPLETE = f"""
UPDATE {TABLE} AS t
SET status = 'completed', progress = 100, progress_text = m.text, result = m.result, error_message = '',
    error_type = '', cause = '', traceback = '', unknown_since = NULL, finished_at = %s, updated_at = %s,
    started_at = COALESCE(t.started_at, m.started_at)
FROM (
    SELECT value ->> 0 AS id, value ->> 1 AS attempt, value ->> 2 AS claim_id, value ->> 3 AS result,
        value ->> 4 AS text, value ->> 5 AS started_at
    FROM json_each(%s)
) AS m
WHERE t.id = m.id AND t.attempt = m.attempt AND t.claim_id = m.claim_id AND t.status = 'processing'
RETURNING id, attempt, claim_id
"""

REPORT = f"""
UPDATE {TABLE} AS t
SET progress = m.percent, progress_text = m.text, updated_at = %s,
    started_at = COALESCE(t.started_at, m.started_at)
FROM (
    SELECT value ->> 0 AS id, value ->> 1 AS attempt, value ->> 2 AS claim_id, value ->> 3 AS percent,
        value ->> 4 AS text, value ->> 5 AS started_at
    FROM json_each(%s)
) AS m
WHERE t.id = m.id AND t.attempt = m.attempt AND t.claim_id = m.claim_id AND t.status = 'processing'
"""


INSERT_LINES = f"""
INSERT INTO {quoted_table(TaskLogPart)} (task_id, attempt, first, count, lines)
SELECT value ->> 0, value ->> 1, value ->> 2, json_array_length(value, '$[3]'), value -> 3 FROM json_each(%s) WHERE true
ON CONFLICT DO NOTHING
"""

#: The rows that this transaction inserted last: keys only rise.
NEWEST = f"SELECT task_id FROM {TABLE} ORDER BY id DESC LIMIT %s"


def insert(sends: Sequence[Send], *, meanwhile: Callable[[], object], are_new: bool = False) -> set[str] | None:
    """Insert a pending row for each send. A known task id is left as it is.

    Parameters:
      meanwhile: Called once, first: there is no server to wait for.
      are_new: The task ids are new. A known one is an IntegrityError.

    Returns:
      The task ids of the new rows. None: all are new.
    """
    meanwhile()
    statement, rows = INSERT, _columns(sends)
    if any(send.line is not None for send in sends):
        statement = INSERT_LIMITED
        limits = ((send.line, send.line is not None and not send.delay_ms, send.weight) for send in sends)
        rows = [(*row, *limit) for row, limit in zip(rows, limits, strict=True)]
    # One statement a row: all of them or none, and one sync of the disk.
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.executemany(statement, rows)
        if cursor.rowcount == len(rows):
            return None
        if are_new:
            raise IntegrityError("A task id is known.")
        return {task_id for (task_id,) in cursor.execute(NEWEST, [cursor.rowcount])}


def _columns(sends: Sequence[Send]) -> list[tuple[Any, ...]]:
    now = timezone.now()
    at_once = _later(now, 0)
    return [
        (
            send.task_id, send.task_name, send.queue_name, send.priority, send.args, send.kwargs,
            COMPACT.encode(send.options) if send.options else "{}",
            _later(now, send.delay_ms) if send.delay_ms else at_once, send.delay_ms > 0,
            None if send.max_age_ms is None else _later(now, send.delay_ms + send.max_age_ms),
            owner_value(send.owner_id), send.related_object_type, send.related_object_id, at_once, at_once,
        )
        for send in sends
    ]  # fmt: skip


def claim(attempts: Sequence[tuple[str, int]], *, claim_id: uuid.UUID, worker_id: uuid.UUID) -> list[Held]:
    """Claim the tasks that may be claimed, and return them."""
    now = _later(timezone.now(), 0)
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [claim_id.hex, worker_id.hex, now, now, json.dumps(attempts), now, now])
        rows = cursor.fetchall()
    return [Held(task_id, row_id, owner_key(owner_id), *columns) for task_id, row_id, owner_id, *columns in rows]


def complete(outcomes: Sequence[Outcome]) -> set[tuple[int, int, uuid.UUID]]:
    """Complete the rows that are still claimed as the outcomes say.

    Returns:
      Row id, attempt and claim id of each row that took.
    """
    now = timezone.now()
    rows = [
        (
            outcome.claim.row_id, outcome.claim.attempt, outcome.claim.claim_id.hex,
            None if outcome.result is None else json.dumps(outcome.result), outcome.text,
            None if outcome.ran_ms is None else _later(now, -outcome.ran_ms),
        )
        for outcome in outcomes
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(COMPLETE, [_later(now, 0), _later(now, 0), json.dumps(rows)])
        return {(row_id, attempt, uuid.UUID(claim_id)) for row_id, attempt, claim_id in cursor.fetchall()}


def report(reports: Sequence[Report]) -> set[int]:
    """Write progress. Return the ids of all rows, since none can be locked."""
    now = timezone.now()
    rows = [
        (
            news.claim.row_id, news.claim.attempt, news.claim.claim_id.hex, news.percent, news.text,
            _later(now, -news.ran_ms),
        )
        for news in reports
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(REPORT, [_later(now, 0), json.dumps(rows)])
    return {news.claim.row_id for news in reports}


def insert_lines(parts: str) -> None:
    """Insert parts of logs. One that is there already is left as it is.

    Parameters:
      parts: JSON list of row id, attempt, number of the first line, and lines.
    """
    with connection.cursor() as cursor:
        cursor.execute(INSERT_LINES, [parts])


def _later(timestamp: datetime, milliseconds: float) -> str:
    """Return a time, some milliseconds later, as Django writes it into SQLite."""
    return str(connection.ops.adapt_datetimefield_value(timestamp + timedelta(milliseconds=milliseconds)))
