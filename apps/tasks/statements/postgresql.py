"""Batches on PostgreSQL: a JSON array in, one statement, one answer.

Three measures keep these statements fast in tables that are large, small, bloated or of unknown size:

- `status || ''` hides the column from the planner. With `status = 'pending'` and statistics from a quiet time, the
  planner would walk the index over all pending rows instead of looking the batch up. Every claim would then cost as
  much as the backlog is long.
- `m.attempt BETWEEN ...` is always true. It makes the planner expect one row of the batch instead of a hundred, so that
  it looks each row up by its index. For a hundred rows it would read a table of some thousand from end to end.
- A batch is planned each time and never prepared: a plan made for an empty table would be kept for a full one. A single
  row is found by its key in any table, so inserting and claiming one are planned once per connection.
"""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected, LockNotAvailable

from apps.tasks.json_safe import COMPACT
from apps.tasks.models import TaskLogPart
from apps.tasks.statements.direct import Statement
from apps.tasks.statements.table import owner_sql, owner_type, quoted_table
from apps.tasks.values import Held, Outcome, Report, Send

TABLE = quoted_table()
OWNER_TYPE = owner_type()

COLUMNS = """
    task_id, task_name, queue_name, priority, args, kwargs, options, run_at, delayed, expires_at, owner_id,
    related_object_type, related_object_id, status, progress, progress_text, error_message, traceback,
    attempt, retries, crashes, created_at, updated_at
"""


def _insert_one_sql(owner: str) -> str:
    return f"""
INSERT INTO {TABLE} ({COLUMNS})
SELECT
    $1, $2, $3, $4, $5, $6, $7, now.at + $8::bigint * INTERVAL '1 millisecond', $9,
    now.at + $10::bigint * INTERVAL '1 millisecond', {owner}, $12, $13,
    'pending', 0, '', '', '', 0, 0, 0, now.at, now.at
FROM (SELECT clock_timestamp() AS at) AS now
ON CONFLICT (task_id) DO NOTHING
"""


#: Most sends are single, and most have no owner to look up.
INSERT_ONE = Statement(_insert_one_sql("$11"), name="aiwriting_insert_one")
INSERT_ONE_OWNED = Statement(_insert_one_sql(owner_sql("$11")), name="aiwriting_insert_one_owned")

#: Fields of a send that are JSON. A list of them needs no parsing twice.
JSON_FIELDS = ("args", "kwargs", "options")
#: Types of its other fields.
TYPES = {
    "task_id": "text", "task_name": "text", "queue_name": "text", "priority": "int", "delay_ms": "bigint",
    "max_age_ms": "bigint", "owner_id": OWNER_TYPE, "related_object_type": "text", "related_object_id": "bigint",
    "line": "text", "weight": "int",
}  # fmt: skip
#: Those that a row is made of.
FIELDS = (*TYPES, *JSON_FIELDS)


@cache
def _insert_many(listed: tuple[str, ...], *, are_new: bool) -> Statement:
    """Return the statement that inserts many sends.

    Parameters:
      listed: Fields in which the sends differ. Each is a JSON list. Of the others there is one value.
    """
    values, lists = {}, []
    for number, field in enumerate(FIELDS, start=1):
        kind = TYPES.get(field, "json")
        if field in listed:
            lists.append(f"json_array_elements{'' if field in JSON_FIELDS else '_text'}(${number}::json)")
            values[field] = f"m.{field}" if kind in ("text", "json") else f"m.{field}::{kind}"
        else:
            values[field] = f"${number}::{kind}"
    start = f"now.at + {values['delay_ms']} * INTERVAL '1 millisecond'"
    return Statement(f"""
INSERT INTO {TABLE} ({COLUMNS}, line, in_line, weight)
SELECT
    {values["task_id"]}, {values["task_name"]}, {values["queue_name"]}, {values["priority"]}, {values["args"]},
    {values["kwargs"]}, {values["options"]}, {start}, {values["delay_ms"]} > 0,
    {start} + {values["max_age_ms"]} * INTERVAL '1 millisecond', {owner_sql(values["owner_id"])},
    {values["related_object_type"]}, {values["related_object_id"]}, 'pending', 0, '', '', '', 0, 0, 0, now.at, now.at,
    {values["line"]}, {values["line"]} IS NOT NULL AND {values["delay_ms"]} = 0, {values["weight"]}
FROM ROWS FROM ({", ".join(lists)}) AS m ({", ".join(field for field in FIELDS if field in listed)}),
    (SELECT clock_timestamp() AS at) AS now
{"" if are_new else "ON CONFLICT (task_id) DO NOTHING RETURNING task_id"}
""")


#: The text of the lines is cut out of the batch as it is.
INSERT_LINES = Statement(f"""
INSERT INTO {quoted_table(TaskLogPart)} (task_id, attempt, first, count, lines)
SELECT
    (m.part ->> 0)::bigint, (m.part ->> 1)::int, (m.part ->> 2)::int, json_array_length(m.part -> 3),
    (m.part -> 3)::text
FROM json_array_elements($1::json) AS m (part)
ON CONFLICT DO NOTHING
""")

#: Time that a statement waits for a locked row. Selected together with the clock, before the rows.
PATIENCE = "set_config('lock_timeout', '50ms', true) AS patience"
#: Seconds after such a wait in which rows are locked before they are written. That skips locked rows and costs more.
SKIP_LOCKED_SECONDS = 5.0

#: Narrows a statement to the rows that it can lock at once. `key` is the column by which the batch names a row.
UNLOCKED = f"""
    AND t.id = ANY (ARRAY(
        SELECT u.id
        FROM json_to_recordset($1::json) AS w ({{key}} {{type}}, attempt int) JOIN {TABLE} AS u USING ({{key}})
        WHERE w.attempt BETWEEN 0 AND 2147483647
        ORDER BY u.id FOR NO KEY UPDATE OF u SKIP LOCKED
    ))"""


class OptimisticUpdate:
    """An UPDATE that assumes no row lock, with a fallback that skips locked rows.

    Locks are rare here and looking for them first is dear. The optimistic statement waits a moment for a lock. If that
    is too short, nothing was written, and the fallback runs, now and for a while.

    Parameters:
      sql: Statement with the fields `patience` and `unlocked`.
      unlocked: Narrows it to the rows that it can lock at once.
      name: Name of the prepared statement, as in `Statement`.
    """

    def __init__(self, sql: str, *, unlocked: str, name: str = "") -> None:
        optimistic, skip_locked = (
            sql.format(patience=f", {PATIENCE}", unlocked=""),
            sql.format(patience="", unlocked=unlocked),
        )
        self.optimistic = Statement(optimistic, name=name)
        self.skip_locked = Statement(skip_locked, name=name and f"{name}_skip_locked")
        #: Time from which the optimistic statement is used again, by the monotonic clock of this process.
        self.skip_locked_until = 0.0

    def execute(self, *parameters: Any) -> list[tuple[Any, ...]]:
        # In a transaction an error would spoil what else is in it.
        if time.monotonic() >= self.skip_locked_until and not connection.in_atomic_block:
            try:
                return self.optimistic.execute(*parameters)
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
                    raise
                self.skip_locked_until = time.monotonic() + SKIP_LOCKED_SECONDS
        return self.skip_locked.execute(*parameters)


#: A claim clears the reason why no worker could take the task.
CLEARED = "error_message = CASE WHEN t.unknown_since IS NULL THEN t.error_message ELSE '' END"

CLAIMABLE = """
    AND t.status || '' = 'pending' AND t.crashes = 0 AND t.run_at <= now.at
    AND (t.expires_at IS NULL OR t.expires_at > now.at) AND t.cancel_requested_at IS NULL
    AND NOT t.in_line AND (t.line IS NULL OR NOT t.delayed){unlocked}
RETURNING t.task_id, t.id, t.owner_id, t.task_name, t.queue_name, t.args::text, t.kwargs::text, t.options::text,
    t.retries, date_part('epoch', t.created_at) * 1000, t.line, t.traceback
"""

CLAIM = OptimisticUpdate(
    f"""
UPDATE {TABLE} AS t
SET status = 'processing', claim_id = $2, worker_id = $3, claimed_at = now.at, updated_at = now.at,
    {CLEARED}
FROM json_to_recordset($1::json) AS m (task_id text, attempt int), (SELECT clock_timestamp() AS at{{patience}}) AS now
WHERE t.task_id = m.task_id AND t.attempt = m.attempt AND m.attempt BETWEEN 0 AND 2147483647{CLAIMABLE}""",
    unlocked=UNLOCKED.format(key="task_id", type="text"),
)

#: A single message, for which an idle worker waits: half as dear to plan and to run.
CLAIM_ONE = OptimisticUpdate(
    f"""
UPDATE {TABLE} AS t
SET status = 'processing', claim_id = $3, worker_id = $4, claimed_at = now.at, updated_at = now.at,
    {CLEARED}
FROM (SELECT clock_timestamp() AS at{{patience}}) AS now
WHERE t.task_id = $1 AND t.attempt = $2{CLAIMABLE}""",
    unlocked=f"""
    AND t.id = ANY (ARRAY(
        SELECT u.id FROM {TABLE} AS u WHERE u.task_id = $1 FOR NO KEY UPDATE OF u SKIP LOCKED
    ))""",
    name="aiwriting_claim_one",
)

COMPLETE = OptimisticUpdate(
    f"""
UPDATE {TABLE} AS t
SET status = 'completed', progress = 100, progress_text = m.text, result = m.result, error_message = '',
    error_type = '', cause = '', traceback = '', unknown_since = NULL, finished_at = now.at, updated_at = now.at,
    started_at = COALESCE(t.started_at, now.at - m.ran_ms * INTERVAL '1 millisecond')
FROM json_to_recordset($1::json) AS m (
        id bigint, attempt int, claim_id uuid, result json, text text, ran_ms float8
    ),
    (SELECT clock_timestamp() AS at{{patience}}) AS now
WHERE t.id = m.id AND t.attempt = m.attempt AND t.claim_id = m.claim_id AND m.attempt BETWEEN 0 AND 2147483647
    AND t.status || '' = 'processing'{{unlocked}}
RETURNING t.id, t.attempt, t.claim_id
""",
    unlocked=UNLOCKED.format(key="id", type="bigint"),
)

REPORT = Statement(
    f"""
WITH free AS (
    SELECT u.id
    FROM json_to_recordset($1::json) AS w (id bigint, attempt int) JOIN {TABLE} AS u USING (id)
    WHERE w.attempt BETWEEN 0 AND 2147483647
    ORDER BY u.id FOR NO KEY UPDATE OF u SKIP LOCKED
),
written AS (
    UPDATE {TABLE} AS t
    SET progress = m.percent, progress_text = m.text, updated_at = now.at,
        started_at = COALESCE(t.started_at, now.at - m.ran_ms * INTERVAL '1 millisecond')
    FROM free
        JOIN json_to_recordset($1::json) AS m (
            id bigint, attempt int, claim_id uuid, percent int, text text, ran_ms float8
        ) USING (id),
        (SELECT clock_timestamp() AS at) AS now
    WHERE t.id = m.id AND t.attempt = m.attempt AND t.claim_id = m.claim_id AND m.attempt BETWEEN 0 AND 2147483647
        AND t.status || '' = 'processing'
)
SELECT id FROM free
"""
)


def insert(sends: Sequence[Send], *, meanwhile: Callable[[], object], are_new: bool = False) -> set[str] | None:
    """Insert a pending row for each send. A known task id is left as it is.

    Parameters:
      meanwhile: Called once, while the server writes.
      are_new: The task ids are new. A known one is an IntegrityError, and not to look for it saves a quarter.

    Returns:
      The task ids of the new rows. None: all are new.
    """
    if len(sends) == 1 and sends[0].line is None and not are_new:
        return _insert_one(sends[0], meanwhile)
    columns: dict[str, Sequence[Any]] = dict(zip(Send._fields, zip(*sends, strict=True), strict=True))
    # As texts: 1 and True are equal for Python.
    columns["options"] = [COMPACT.encode(options) if options else "{}" for options in columns["options"]]
    listed, parameters = [], []
    for field in FIELDS:
        column = columns[field]
        if column.count(column[0]) == len(column) and field != "task_id":
            parameters.append(column[0])
            continue
        listed.append(field)
        if field in JSON_FIELDS:
            parameters.append(f"[{','.join(column)}]")
        else:
            parameters.append(json.dumps(column, default=str))
    statement = _insert_many(tuple(listed), are_new=are_new)
    inserted = statement.write(*parameters, expected=len(sends), meanwhile=meanwhile)
    return None if inserted is None else {task_id for (task_id,) in inserted}


def _insert_one(send: Send, meanwhile: Callable[[], object]) -> set[str] | None:
    expires_ms = None if send.max_age_ms is None else send.delay_ms + send.max_age_ms
    statement = INSERT_ONE if send.owner_id is None else INSERT_ONE_OWNED
    known = statement.write(
        send.task_id, send.task_name, send.queue_name, send.priority, send.args, send.kwargs,
        COMPACT.encode(send.options) if send.options else "{}", send.delay_ms, send.delay_ms > 0, expires_ms,
        send.owner_id, send.related_object_type, send.related_object_id, expected=1, meanwhile=meanwhile,
    )  # fmt: skip
    return None if known is None else set()


def claim(attempts: Sequence[tuple[str, int]], *, claim_id: uuid.UUID, worker_id: uuid.UUID) -> list[Held]:
    """Claim the tasks that may be claimed, and return them."""
    if len(attempts) == 1:
        held = CLAIM_ONE.execute(*attempts[0], claim_id, worker_id)
    else:
        batch = [{"task_id": task_id, "attempt": attempt} for task_id, attempt in attempts]
        held = CLAIM.execute(json.dumps(batch), claim_id, worker_id)
    return [Held(*columns) for columns in held]


def complete(outcomes: Sequence[Outcome]) -> set[tuple[int, int, uuid.UUID]]:
    """Complete the rows that are still claimed as the outcomes say and that are not locked.

    Returns:
      Row id, attempt and claim id of each row that took.
    """
    batch = [
        {
            "id": outcome.claim.row_id, "attempt": outcome.claim.attempt, "claim_id": outcome.claim.claim_id.hex,
            "result": outcome.result, "text": outcome.text, "ran_ms": outcome.ran_ms,
        }
        for outcome in outcomes
    ]  # fmt: skip
    return set(COMPLETE.execute(json.dumps(batch)))


def report(reports: Sequence[Report]) -> set[int]:
    """Write progress to the rows that are not locked. Return their ids."""
    batch = [
        {
            "id": news.claim.row_id, "attempt": news.claim.attempt, "claim_id": news.claim.claim_id.hex,
            "percent": news.percent, "text": news.text, "ran_ms": news.ran_ms,
        }
        for news in reports
    ]  # fmt: skip
    return {row_id for (row_id,) in REPORT.execute(json.dumps(batch))}


def insert_lines(parts: str) -> None:
    """Insert parts of logs. One that is there already is left as it is.

    Parameters:
      parts: JSON list of row id, attempt, number of the first line, and lines.
    """
    INSERT_LINES.execute(parts)
