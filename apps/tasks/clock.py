"""The database's clock: one clock for all processes that share a ledger."""

from typing import Any

from django.db import models
from django.utils import timezone


class ClockTimestamp(models.Func):
    """The time at which the statement runs, by the database's clock.

    PostgreSQL's `now()` is the start of the transaction; `clock_timestamp()` is not. SQLite lives on
    this very host, so its clock is ours, to the microsecond.
    """

    function = "CLOCK_TIMESTAMP"
    template = "%(function)s()"
    arity = 0
    output_field = models.DateTimeField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, list[Any]]:
        return "%s", [connection.ops.adapt_datetimefield_value(timezone.now())]
