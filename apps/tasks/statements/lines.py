"""The lines in which limited tasks wait, in one step of an index for each: `DISTINCT` would read all rows that wait."""

from typing import Any

from django.db import connection

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
#: Actors in one answer, at most.
ACTORS = 10_000


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
