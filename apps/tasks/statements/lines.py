"""The lines in which limited tasks wait, and the tasks at their heads. Each is one step of an index.

`DISTINCT` or a window function would read all rows that wait.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from apps.tasks.statements.table import quoted_table

#: Values of a column among the rows in line, in order. Each step finds the least value after the last one.
DISTINCT = """
WITH RECURSIVE found (value) AS (
    SELECT min(t.{column}) FROM {table} AS t WHERE t.status = 'pending' AND t.in_line{scope} AND t.{column} {after} %s
    UNION ALL
    SELECT (
        SELECT min(t.{column}) FROM {table} AS t
        WHERE t.status = 'pending' AND t.in_line{scope} AND t.{column} > found.value
    )
    FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL LIMIT %s
"""
#: The first tasks of one line.
HEAD = """
SELECT t.line, t.id, t.task_id, t.attempt, t.queue_name, t.weight FROM {table} AS t
WHERE t.status = 'pending' AND t.in_line AND t.task_name = {name} AND t.line = {line} AND t.run_at <= {until}
    AND {but}
ORDER BY {order} LIMIT {limit}
"""
#: On PostgreSQL, of many lines at once. Rows that another transaction has locked are passed over.
HEADS = """
SELECT t.* FROM json_to_recordset(%s::json) AS l (line text, places int)
CROSS JOIN LATERAL ({head} FOR NO KEY UPDATE SKIP LOCKED) AS t
"""
#: Actors in one answer, at most.
ACTORS = 10_000


class Head(NamedTuple):
    """A task at the head of a line."""

    line: str
    pk: int
    task_id: str
    attempt: int
    queue_name: str
    weight: int


def heads(
    task_name: str, places: Mapping[str, int], *, by_age: bool, but: Sequence[int], waited_ms: float
) -> dict[str, list[Head]]:
    """Lock the first tasks of an actor's lines, as many of each as it has places, and return them by line.

    Parameters:
      by_age: Those that were sent first. Otherwise the most urgent ones.
      but: Row ids of tasks to pass over.
      waited_ms: Milliseconds that a task must have waited.
    """
    order = "t.id" if by_age else "t.priority, t.id"
    found: defaultdict[str, list[Head]] = defaultdict(list)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            head = HEAD.format(
                table=quoted_table(), name="%s", line="l.line", order=order, limit="l.places",
                until="clock_timestamp() - %s * INTERVAL '1 millisecond'", but="t.id <> ALL (%s::bigint[])",
            )  # fmt: skip
            lines = json.dumps([{"line": line, "places": count} for line, count in places.items()])
            cursor.execute(HEADS.format(head=head), [lines, task_name, waited_ms, list(but)])
            for row in cursor.fetchall():
                found[row[0]].append(Head(*row))
            return found
        until = connection.ops.adapt_datetimefield_value(timezone.now() - timedelta(milliseconds=waited_ms))
        sql = HEAD.format(
            table=quoted_table(), name="%s", line="%s", order=order, limit="%s", until="%s",
            but="t.id NOT IN (SELECT value FROM json_each(%s))",
        )  # fmt: skip
        for line, count in places.items():
            cursor.execute(sql, [task_name, line, until, json.dumps(list(but)), count])
            found[line] = [Head(*row) for row in cursor.fetchall()]
    return found


def actors() -> list[str]:
    """Return the names of the actors whose tasks wait in line."""
    return _distinct("task_name", scope="", values=["", ACTORS])


def lines_of(task_name: str, *, after: str | None, limit: int) -> list[str]:
    """Return the lines of an actor in which tasks wait, in order.

    Parameters:
      after: Only lines after this one.
    """
    values = [task_name, after or "", task_name, limit]
    return _distinct("line", scope=" AND t.task_name = %s", values=values, is_after=after is not None)


def _distinct(column: str, *, scope: str, values: list[Any], is_after: bool = False) -> list[str]:
    sql = DISTINCT.format(column=column, table=quoted_table(), scope=scope, after=">" if is_after else ">=")
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [value for (value,) in cursor.fetchall()]
