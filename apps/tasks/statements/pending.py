"""Numbers of pending tasks by what they wait for."""

from typing import NamedTuple

from django.db import connection

from apps.tasks.statements.table import quoted_table

#: Through the ORM, the columns would be read by a join of the table with itself.
OLDEST = """
SELECT in_line, delayed, has_retried, has_line, count(*)
FROM (
    SELECT t.in_line, t.delayed, t.retries > 0 AS has_retried, t.line IS NOT NULL AS has_line FROM {table} AS t
    WHERE t.status = 'pending' ORDER BY t.id LIMIT %s
) AS oldest
GROUP BY 1, 2, 3, 4
"""
NEWEST = """
SELECT queue_name, count(*)
FROM (SELECT t.queue_name FROM {table} AS t WHERE t.status = 'pending' ORDER BY t.id DESC LIMIT %s) AS newest
GROUP BY 1
"""


class Pending(NamedTuple):
    """A number of pending tasks that are alike."""

    in_line: bool
    delayed: bool
    has_retried: bool
    has_line: bool
    number: int


def count(*, limit: int) -> list[Pending]:
    """Count the oldest pending tasks, up to a limit."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST.format(table=quoted_table()), [limit])
        return [
            Pending(bool(in_line), bool(delayed), bool(again), bool(line), number)
            for in_line, delayed, again, line, number in cursor.fetchall()
        ]


def by_queue(*, limit: int) -> dict[str, int]:
    """Count the newest pending tasks by queue, up to a limit."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST.format(table=quoted_table()), [limit])
        return dict(cursor.fetchall())
