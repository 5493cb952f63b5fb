"""The database's clock: one clock for all processes that share a ledger."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone


class ClockTimestamp(models.Func):
    """The time at which the statement runs, by the database's clock.

    PostgreSQL's `now()` is the start of the transaction, `clock_timestamp()` is not. SQLite runs on this host, so its
    clock is this process's, to the microsecond.

    Parameters:
      offset_ms: Milliseconds to add. A negative number gives an earlier time.
      once: Read the clock once, before the rows. PostgreSQL then searches an index for rows of that time. Otherwise it
        reads all rows that the rest of the condition leaves, and the clock for each.
    """

    function = "CLOCK_TIMESTAMP"
    arity = 0
    output_field = models.DateTimeField()

    def __init__(self, *, offset_ms: float = 0, once: bool = False) -> None:
        super().__init__()
        self.offset_ms, self.once = offset_ms, once

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        now = "(SELECT CLOCK_TIMESTAMP())" if self.once else "CLOCK_TIMESTAMP()"
        if not self.offset_ms:
            return now, []
        return f"({now} + %s * INTERVAL '1 millisecond')", [self.offset_ms]

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        timestamp = timezone.now() + timedelta(milliseconds=self.offset_ms)
        return "%s", [connection.ops.adapt_datetimefield_value(timestamp)]


class SecondsSince(models.Func):
    """The seconds since the time in a column, by the database's clock. Negative: the time comes then.

    NULL if the column has none, or a text on SQLite that is no time. Another program may have written `infinity`, with
    which PostgreSQL cannot compute: it counts as the nearest time that Python knows.
    """

    arity = 1
    output_field = models.FloatField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        bounded = "LEAST(GREATEST(%(expressions)s, '0001-01-02+00'), '9999-12-30+00')"
        since = f"CASE WHEN %(expressions)s IS NOT NULL THEN CLOCK_TIMESTAMP() - {bounded} END"
        template = f"EXTRACT(EPOCH FROM {since})::float8"
        return self.as_sql(compiler, connection, template=template)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        sql, params = self.as_sql(
            compiler, connection, template="(julianday(%%s) - julianday(%(expressions)s)) * 86400"
        )
        return sql, (now, *params)
