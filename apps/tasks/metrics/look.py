"""One look at the database, part by part. A part that cannot be read is left out, and the others are told."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction

from apps.tasks import health
from apps.tasks.metrics import backlog, limits, processes, recent, schedules
from apps.tasks.models import WorkerProcess

#: Seconds after which no further part is read.
BUDGET_SECONDS = 3.0


@dataclass(kw_only=True)
class Figures:
    """Figures of the ledger. None: that part could not be read.

    Parameters:
      errors: Reasons of the parts that are None.
    """

    backlog: "backlog.Backlog | None" = None
    processes: tuple[WorkerProcess, ...] | None = None
    limits: "tuple[limits.LimitFigures, ...] | None" = None
    schedules: "tuple[schedules.ScheduleFigures, ...] | None" = None
    recent: "recent.Recent | None" = None
    errors: dict[str, Exception] = field(default_factory=dict)


#: Parts of the look in the order of their use to people who are woken at night.
PARTS: dict[str, Callable[[], Any]] = {
    "backlog": backlog.read,
    "processes": processes.read,
    "limits": limits.read,
    "schedules": schedules.read,
    "recent": recent.read,
}


def look() -> Figures:
    """Look at the ledger over a new connection. Each statement, and the look, have a time limit.

    Raises:
      DatabaseError: The database is away, read-only or full.
    """
    figures = Figures()
    deadline = time.monotonic() + BUDGET_SECONDS
    with health.quick_connection() as quick, health.limits(quick):
        for name, read in PARTS.items():
            try:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not read within {BUDGET_SECONDS:g} s")
                with _savepoint(quick):
                    setattr(figures, name, read())
            except (DatabaseError, InterfaceError, TimeoutError) as error:
                figures.errors[name] = error
    return figures


def _savepoint(quick: Any) -> AbstractContextManager[None]:
    """Return a savepoint, so that a statement that fails spoils no later one. SQLite is read without a transaction."""
    return nullcontext() if quick.vendor == "sqlite" else transaction.atomic()
