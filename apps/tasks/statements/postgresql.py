"""Batches on PostgreSQL: arrays in, one statement, one answer.

`status || ''` hides the column from the planner. Where it saw `status = 'pending'` it would, whenever its statistics
are from a quiet time, go through the index over all pending rows instead of looking up the batch: every claim would
then cost as much as the backlog is long.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

from apps.tasks.outcome import Held, Outcome, Report, Send

COLUMNS = """
    task_id, task_name, queue_name, priority, args, kwargs, options, run_at, delayed, expires_at, owner_id,
    related_object_type, related_object_id, status, progress, progress_text, error_message, traceback,
    attempt, retries, crashes, created_at, updated_at
"""

#: One row and no arrays: half as dear to plan, and most sends are alone.
INSERT_ONE = f"""
INSERT INTO tasks_taskstatus ({COLUMNS})
VALUES (
    %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + %s * INTERVAL '1 millisecond', %s,
    clock_timestamp() + %s * INTERVAL '1 millisecond', %s, %s, %s,
    'pending', 0, '', '', '', 0, 0, 0, clock_timestamp(), clock_timestamp()
)
ON CONFLICT (task_id) DO NOTHING
"""

INSERT = f"""
INSERT INTO tasks_taskstatus ({COLUMNS})
SELECT
    m.task_id, m.task_name, m.queue_name, m.priority, m.args::jsonb, m.kwargs::jsonb, m.options::jsonb,
    now.at + m.delay_ms * INTERVAL '1 millisecond', m.delay_ms > 0,
    now.at + (m.delay_ms + m.max_age_ms) * INTERVAL '1 millisecond', m.owner_id,
    m.related_type, m.related_id, 'pending', 0, '', '', '', 0, 0, 0, now.at, now.at
FROM unnest(
    %s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::text[], %s::bigint[]
) AS m (task_id, task_name, queue_name, priority, args, kwargs, options, delay_ms, max_age_ms, owner_id,
    related_type, related_id),
(SELECT clock_timestamp() AS at) AS now
ON CONFLICT (task_id) DO NOTHING
"""

CLAIM = """
WITH free AS (
    SELECT t.id
    FROM unnest(%s::text[], %s::int[]) AS m (task_id, attempt)
        JOIN tasks_taskstatus AS t ON t.task_id = m.task_id AND t.attempt = m.attempt,
        (SELECT clock_timestamp() AS at) AS now
    WHERE t.status || '' = 'pending' AND t.crashes = 0 AND t.run_at <= now.at
        AND (t.expires_at IS NULL OR t.expires_at > now.at) AND t.cancel_requested_at IS NULL
    ORDER BY t.id
    FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE tasks_taskstatus AS t
SET status = 'processing', claim_id = %s, worker_id = %s, claimed_at = now.at, updated_at = now.at
FROM free, (SELECT clock_timestamp() AS at) AS now
WHERE t.id = free.id
RETURNING t.task_id, t.id, t.owner_id
"""

COMPLETE = """
WITH free AS (
    SELECT id FROM tasks_taskstatus WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tasks_taskstatus AS t
SET status = 'completed', progress = 100, progress_text = m.text, result = m.result::jsonb, error_message = '',
    traceback = '', finished_at = now.at, updated_at = now.at,
    started_at = now.at - m.ran_ms * INTERVAL '1 millisecond'
FROM free
    JOIN unnest(%s::bigint[], %s::int[], %s::uuid[], %s::text[], %s::text[], %s::float8[])
        AS m (id, attempt, claim_id, result, text, ran_ms) ON m.id = free.id,
    (SELECT clock_timestamp() AS at) AS now
WHERE t.id = m.id AND t.attempt = m.attempt AND t.claim_id = m.claim_id AND t.status || '' = 'processing'
RETURNING t.id, t.attempt, t.claim_id
"""

REPORT = """
WITH free AS (
    SELECT id FROM tasks_taskstatus WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
),
written AS (
    UPDATE tasks_taskstatus AS t
    SET progress = m.percent, progress_text = m.text, updated_at = now.at,
        started_at = now.at - m.ran_ms * INTERVAL '1 millisecond'
    FROM free
        JOIN unnest(%s::bigint[], %s::int[], %s::uuid[], %s::int[], %s::text[], %s::float8[])
            AS m (id, attempt, claim_id, percent, text, ran_ms) ON m.id = free.id,
        (SELECT clock_timestamp() AS at) AS now
    WHERE t.id = m.id AND t.attempt = m.attempt AND t.claim_id = m.claim_id AND t.status || '' = 'processing'
)
SELECT id FROM free
"""


def insert(sends: Sequence[Send]) -> None:
    """Insert a pending row for each send; one whose task id is known already is left as it is."""
    if len(sends) == 1:
        _insert_one(sends[0])
        return
    columns = [
        (
            send.task_id, send.task_name, send.queue_name, send.priority, json.dumps(send.args),
            json.dumps(send.kwargs), json.dumps(send.options), send.delay_ms, send.max_age_ms, send.owner_id,
            send.related_object_type, send.related_object_id,
        )
        for send in sends
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [list(column) for column in zip(*columns, strict=True)])


def _insert_one(send: Send) -> None:
    expires_ms = None if send.max_age_ms is None else send.delay_ms + send.max_age_ms
    values: list[Any] = [
        send.task_id, send.task_name, send.queue_name, send.priority, json.dumps(send.args),
        json.dumps(send.kwargs), json.dumps(send.options), send.delay_ms, send.delay_ms > 0, expires_ms,
        send.owner_id, send.related_object_type, send.related_object_id,
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(INSERT_ONE, values)


def claim(attempts: Sequence[tuple[str, int]], *, claim_id: uuid.UUID, worker_id: uuid.UUID) -> list[Held]:
    """Take hold of what may be held, and return it."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [[one for one, _ in attempts], [number for _, number in attempts], claim_id, worker_id])
        return [Held(task_id=task_id, row_id=row_id, owner_id=owner_id) for task_id, row_id, owner_id in cursor]


def complete(outcomes: Sequence[Outcome]) -> set[tuple[int, int, uuid.UUID]]:
    """Complete the rows that are still held as the outcomes say and that nobody else has locked.

    Returns:
      Row id, attempt and claim id of each that took.
    """
    claims = [outcome.claim for outcome in outcomes]
    ids = [claim.row_id for claim in claims]
    with connection.cursor() as cursor:
        cursor.execute(
            COMPLETE,
            [
                ids,
                ids,
                [claim.attempt for claim in claims],
                [str(claim.claim_id) for claim in claims],
                [None if outcome.result is None else json.dumps(outcome.result) for outcome in outcomes],
                [outcome.text for outcome in outcomes],
                [outcome.ran_ms for outcome in outcomes],
            ],
        )
        return set(cursor)


def report(reports: Sequence[Report]) -> set[int]:
    """Write progress to the rows that nobody else has locked; return the ids of these."""
    claims = [news.claim for news in reports]
    ids = [claim.row_id for claim in claims]
    with connection.cursor() as cursor:
        cursor.execute(
            REPORT,
            [
                ids,
                ids,
                [claim.attempt for claim in claims],
                [str(claim.claim_id) for claim in claims],
                [news.percent for news in reports],
                [news.text for news in reports],
                [news.ran_ms for news in reports],
            ],
        )
        return {row_id for (row_id,) in cursor}
