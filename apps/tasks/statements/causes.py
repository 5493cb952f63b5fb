"""The causes of failures since a time. Each is a few steps of the index over causes, however many tasks failed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.tasks.statements.table import quoted_table

#: `DISTINCT` or `GROUP BY` would read all failed rows.
CAUSES = """
WITH RECURSIVE found (cause) AS (
    SELECT min(t.cause) FROM {table} AS t WHERE t.status = 'failed'
    UNION ALL
    SELECT (SELECT min(t.cause) FROM {table} AS t WHERE t.status = 'failed' AND t.cause > found.cause)
    FROM found WHERE found.cause IS NOT NULL
),
lately (cause, last_at) AS (
    SELECT cause, (
        SELECT max(t.finished_at) FROM {table} AS t
        WHERE t.status = 'failed' AND t.cause = found.cause AND t.finished_at < %s
    )
    FROM (SELECT cause FROM found WHERE cause IS NOT NULL LIMIT %s) AS found
)
SELECT lately.cause, last_at,
    (SELECT min(t.finished_at) FROM {table} AS t WHERE {failed}),
    (SELECT count(*) FROM (SELECT 1 FROM {table} AS t WHERE {failed} LIMIT %s) AS counted),
    (SELECT t.id FROM {table} AS t WHERE {failed} ORDER BY t.finished_at DESC LIMIT 1)
FROM lately
WHERE last_at >= %s
ORDER BY 4 DESC, 2 DESC
LIMIT %s
"""
FAILED = "t.status = 'failed' AND t.cause = lately.cause AND t.finished_at >= %s AND t.finished_at < %s"
#: Time by which an end may be ahead of the clock. Another program may have written `infinity`, which cannot be read.
AHEAD = timedelta(days=1)
#: Causes that are looked at, at most. A ledger keeps failures for months.
MOST_CAUSES = 5_000


class Cause(NamedTuple):
    """Failures that share a cause.

    Parameters:
      number: Their number, up to a limit and one more.
      pk: Row id of the last one.
    """

    cause: str
    last_at: datetime
    first_at: datetime
    number: int
    pk: int


def since(time: datetime, *, limit: int, most_counted: int) -> list[Cause]:
    """Return the causes of the failures since a time, the most frequent first.

    Parameters:
      limit: Number of causes, at most.
      most_counted: Failures of each that are counted. One more says that there are more.
    """
    at, before = map(connection.ops.adapt_datetimefield_value, (time, timezone.now() + AHEAD))
    values: Sequence[Any] = [before, MOST_CAUSES, at, before, at, before, most_counted + 1, at, before, at, limit]
    with connection.cursor() as cursor:
        cursor.execute(CAUSES.format(table=quoted_table(), failed=FAILED), values)
        return [
            Cause(cause, _time(last, time), _time(first, time), *rest)
            for cause, last, first, *rest in cursor.fetchall()
        ]


def _time(value: Any, default: datetime) -> datetime:
    """Return a time that a statement gave. SQLite gives a text in UTC, which compares like a time and may be none."""
    if isinstance(value, datetime):
        return value
    try:
        found = parse_datetime(value)
    except ValueError:
        found = None
    if found is None:
        return default
    return timezone.make_aware(found, UTC) if timezone.is_naive(found) else found
