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
    """

    function = "CLOCK_TIMESTAMP"
    arity = 0
    output_field = models.DateTimeField()

    def __init__(self, *, offset_ms: float = 0) -> None:
        super().__init__()
        self.offset_ms = offset_ms

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        if not self.offset_ms:
            return "CLOCK_TIMESTAMP()", []
        return "(CLOCK_TIMESTAMP() + %s * INTERVAL '1 millisecond')", [self.offset_ms]

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        timestamp = timezone.now() + timedelta(milliseconds=self.offset_ms)
        return "%s", [connection.ops.adapt_datetimefield_value(timestamp)]
