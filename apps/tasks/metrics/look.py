"""One look at the database, part by part. A part that cannot be read is left out, and the others are told."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.tasks import health, pauses
from apps.tasks.metrics import alerts, backlog, events, limits, processes, recent, schedules
from apps.tasks.models import WorkerProcess

#: Seconds after which no further part is read.
BUDGET_SECONDS = 3.0


@dataclass(kw_only=True)
class Figures:
    """Figures of the ledger, all of one instant. None: that part could not be read, or was not asked for.

    Parameters:
      errors: Reasons of the parts that could not be read.
    """

    backlog: "backlog.Backlog | None" = None
    processes: tuple[WorkerProcess, ...] | None = None
    events: "events.Events | None" = None
    limits: "tuple[limits.LimitFigures, ...] | None" = None
    schedules: "tuple[schedules.ScheduleFigures, ...] | None" = None
    recent: "recent.Recent | None" = None
    alerts: dict[str, int] | None = None
    paused: pauses.Paused | None = None
    errors: dict[str, Exception] = field(default_factory=dict)


Parts = dict[str, Callable[[], Any]]

#: Parts of a look for `/metrics` and for `/scale`, in their order.
METRICS: Parts = {
    "paused": pauses.read,
    "backlog": backlog.read,
    "processes": processes.read,
    "limits": limits.read,
    "schedules": schedules.read,
    "events": events.read,
    "alerts": alerts.read,
}
SCALE: Parts = {"paused": pauses.read, "backlog": backlog.read, "processes": processes.read, "recent": recent.read}


def look(parts: Parts) -> Figures:
    """Look at the ledger over a new connection. Each statement, and the look, have a time limit.

    Raises:
      DatabaseError: The database is away, read-only or full.
    """
    figures = Figures()
    deadline = time.monotonic() + BUDGET_SECONDS
    with health.quick_connection() as quick, _snapshot(quick), health.limits(quick):
        for name, read in parts.items():
            try:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not read within {BUDGET_SECONDS:g} s")
                with _savepoint(quick):
                    setattr(figures, name, read())
            except Exception as error:  # Also of a row that another program wrote.
                figures.errors[name] = error
    return figures


@contextmanager
def _snapshot(quick: Any) -> Iterator[None]:
    """Let all statements read the same instant. A relay may count a minute between two of them."""
    if quick.vendor == "sqlite":
        # Not `atomic`, which takes the write lock.
        with quick.cursor() as cursor:
            cursor.execute("BEGIN")
            yield
            cursor.execute("ROLLBACK")
        return
    with transaction.atomic(), quick.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _savepoint(quick: Any) -> AbstractContextManager[None]:
    """Return a savepoint, so that a statement that fails spoils no later one."""
    return nullcontext() if quick.vendor == "sqlite" else transaction.atomic()
