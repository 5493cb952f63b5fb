"""The causes of failures since a time, however many tasks failed and causes are kept.

The newest failures are read from an index by time, which has their causes. If more failed since, the causes that are
left are found by steps through the index over causes.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.tasks.statements.table import quoted_table

NEWEST = """
SELECT newest.cause, count(*), min(newest.finished_at), max(newest.finished_at)
FROM (
    SELECT t.cause, t.finished_at FROM {table} AS t
    WHERE t.status = 'failed' AND t.finished_at >= %(since)s AND t.finished_at < %(before)s
    ORDER BY t.finished_at DESC LIMIT %(most)s
) AS newest
GROUP BY newest.cause
"""
#: `DISTINCT` or `GROUP BY` would read all failed rows.
ALL = """
WITH RECURSIVE found (cause) AS (
    SELECT min(t.cause) FROM {table} AS t WHERE t.status = 'failed'
    UNION ALL
    SELECT (SELECT min(t.cause) FROM {table} AS t WHERE t.status = 'failed' AND t.cause > found.cause)
    FROM found WHERE found.cause IS NOT NULL
)
SELECT lately.cause, lately.last_at FROM (
    SELECT cause, (
        SELECT max(t.finished_at) FROM {table} AS t
        WHERE t.status = 'failed' AND t.cause = found.cause AND t.finished_at < %(before)s
    ) AS last_at
    FROM (SELECT cause FROM found WHERE cause IS NOT NULL LIMIT %(most)s) AS found
) AS lately
"""
#: A value for each cause comes first.
COUNTED = """
WITH chosen (cause) AS (VALUES {causes})
SELECT chosen.cause, {numbers} FROM chosen
"""
NUMBER = "(SELECT count(*) FROM (SELECT 1 FROM {table} AS t WHERE {failed} LIMIT %(most)s) AS counted)"
FAILED = (
    "t.status = 'failed' AND t.cause = chosen.cause AND t.finished_at >= %({since})s AND t.finished_at < %(before)s"
)
FIRST = "(SELECT min(t.finished_at) FROM {table} AS t WHERE {failed})"
LAST_ID = "(SELECT t.id FROM {table} AS t WHERE {failed} ORDER BY t.finished_at DESC, t.id DESC LIMIT 1)"
#: Time by which an end may be ahead of the clock. Another program may have written `infinity`, which cannot be read.
AHEAD = timedelta(days=1)
#: Age of the oldest failure that is read.
OLDEST = timedelta(days=10 * 365)
#: Newest failures that are read, at most.
MOST_FAILURES = 10_000
#: Causes that are looked at beside those of the newest failures. A ledger keeps failures for months.
MOST_CAUSES = 5_000
#: Causes of one statement. SQLite takes a limited number of values.
PAGE = 500


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


class Causes(NamedTuple):
    """The causes since a time.

    Parameters:
      is_partial: Whether a rare cause may be missing, since too many tasks failed for too many causes.
    """

    causes: list[Cause]
    is_partial: bool


def since(time: datetime, *, limit: int, most_counted: int) -> list[Cause]:
    """Return the causes of the failures since a time, the most frequent first, as `look` does."""
    return look(time, limit=limit, most_counted=most_counted).causes


def look(time: datetime, *, limit: int, most_counted: int, newest_first: bool = False) -> Causes:
    """Return the causes of the failures since a time, the most frequent first. Of equal ones, the last one to happen.

    Parameters:
      limit: Number of causes, at most.
      most_counted: Failures of each that are counted. One more says that there are more.
      newest_first: The last one to happen comes first, however frequent.
    """
    span = _span(time)
    newest = {
        cause: (number, _time(first, time), _time(last, time))
        for cause, number, first, last in _rows(NEWEST, span | {"most": MOST_FAILURES + 1})
    }
    is_all = sum(number for number, _, _ in newest.values()) <= MOST_FAILURES
    last_at = {cause: last for cause, (_, _, last) in newest.items()}
    is_partial = False
    if not is_all and not (newest_first and len(newest) >= limit):
        found = _rows(ALL, {"before": span["before"], "most": MOST_CAUSES})
        is_partial = len(found) == MOST_CAUSES
        others = ((cause, _time(last, time)) for cause, last in found if cause not in last_at and last is not None)
        last_at |= {cause: last for cause, last in others if last >= time}
    chosen: Sequence[str] = list(last_at)
    if newest_first:
        chosen = sorted(chosen, key=lambda cause: (last_at[cause], cause), reverse=True)[:limit]
    elif is_all:
        # Those that are not the most frequent need not be looked up.
        chosen = sorted(chosen, key=lambda cause: (newest[cause][0], last_at[cause], cause), reverse=True)[:limit]
    rows = [
        Cause(cause, last_at[cause], _time(first, time), number, pk)
        for cause, number, first, pk in _looked_up(chosen, span, most_counted)
        if pk is not None  # It was retried meanwhile.
    ]
    rows.sort(
        key=lambda one: (one.last_at, one.pk) if newest_first else (one.number, one.last_at, one.pk), reverse=True
    )
    return Causes(rows[:limit], is_partial)


def numbers(chosen: Iterable[str], times: Sequence[datetime], *, most_counted: int) -> dict[str, tuple[int, ...]]:
    """Return how many failures each cause has since each of the times, up to a limit and one more."""
    names = {f"since_{number}": time for number, time in enumerate(times)}
    counts = ", ".join(NUMBER.format(table=quoted_table(), failed=FAILED.format(since=name)) for name in names)
    values = {**names, "before": timezone.now() + AHEAD, "most": most_counted + 1}
    return {cause: tuple(found) for cause, *found in _for_causes(chosen, counts, values)}


def first_seen(chosen: Iterable[str]) -> dict[str, datetime]:
    """Return the time of the first failure of each cause that is kept."""
    now = timezone.now()
    first = FIRST.format(table=quoted_table(), failed=FAILED.format(since="since"))
    values = {"since": now - OLDEST, "before": now + AHEAD}
    return {cause: _time(at, now) for cause, at in _for_causes(chosen, first, values) if at is not None}


def _looked_up(chosen: Iterable[str], span: dict[str, Any], most_counted: int) -> list[tuple[Any, ...]]:
    failed = FAILED.format(since="since")
    parts = ", ".join(part.format(table=quoted_table(), failed=failed) for part in (NUMBER, FIRST, LAST_ID))
    return _for_causes(chosen, parts, span | {"most": most_counted + 1})


def _for_causes(chosen: Iterable[str], parts: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return a row for each cause: the cause, and the parts of the statement."""
    causes = list(chosen)
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(causes), PAGE):
        named = {f"cause_{number}": cause for number, cause in enumerate(causes[start : start + PAGE])}
        listed = ", ".join(f"(%({name})s)" for name in named)
        found += _rows(COUNTED.replace("{causes}", listed).replace("{numbers}", parts), {**values, **named})
    return found


def _span(time: datetime) -> dict[str, Any]:
    return {"since": time, "before": timezone.now() + AHEAD}


def _rows(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    adapted = {
        name: connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("{table}", quoted_table()), adapted)
        return list(cursor.fetchall())


def _time(value: Any, default: datetime) -> datetime:
    """Return a time that a statement gave. SQLite gives a text in UTC, which compares like a time and may be none."""
    if isinstance(value, datetime):
        return value
    try:
        found = parse_datetime(value)
    except (TypeError, ValueError):
        found = None
    if found is None:
        return default
    return timezone.make_aware(found, UTC) if timezone.is_naive(found) else found
