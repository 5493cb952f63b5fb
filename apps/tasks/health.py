"""Health of the ledger: whether its tables can be written, which processes beat, and how long due tasks have waited."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import OperationalError, connections, transaction

from apps.tasks import pauses, states
from apps.tasks.clock import SecondsSince
from apps.tasks.models import (
    Schedule,
    ScheduleSlot,
    TaskAttempt,
    TaskGroup,
    TaskGroupMember,
    TaskStatus,
    WorkerProcess,
)
from apps.tasks.schedules import declared

#: Seconds for connecting to the database. libpq takes no shorter limit.
CONNECT_TIMEOUT_SECONDS = 2
#: Milliseconds that the look waits for a lock, and for any statement.
LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS = 500, 1_000
#: Pending rows that the look reads from either end, the oldest and the newest.
SAMPLE = 2_000
#: Bytes on the disk of a SQLite database below which it is taken for full.
LEAST_FREE_BYTES = 1_000_000
#: Tables that sends, workers, relays and schedulers write.
WRITTEN = (TaskStatus, TaskAttempt, TaskGroup, TaskGroupMember, WorkerProcess, Schedule, ScheduleSlot)
#: States of PostgreSQL and names of SQLite for a statement that waited for too long.
WAITED = {"55P03", "57014", "SQLITE_BUSY", "SQLITE_LOCKED"}

#: Looks at servers that this app does not know, by their names. Each returns the error of one that is away.
servers: dict[str, Callable[[], BaseException | None]] = {}

#: Options of a connection that set these limits. SQLite's usual `init_command` would set a longer one.
QUICK_OPTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    "sqlite": {"timeout": LOCK_TIMEOUT_MS / 1000, "init_command": ""},
}


@dataclass
class LedgerHealth:
    """State of the ledger.

    Parameters:
      processes: Workers, relays and schedulers that beat. None: not known, a table was locked.
      needs_scheduler: Whether a schedule is to be fired.
      oldest: Seconds for which the oldest due task has waited, by queue. With more than twice `SAMPLE` pending rows
        they are a lower bound, and empty if these cannot be read in time.
      untaken: The same without the tasks that a relay has not published.
      paused: Queues and actors whose tasks wait until staff resume them.
      wait: Error of a statement that waited for too long, mostly for a locked table.
    """

    processes: list[WorkerProcess] | None = None
    needs_scheduler: bool = False
    oldest: dict[str, float] = field(default_factory=dict)
    untaken: dict[str, float] = field(default_factory=dict)
    paused: pauses.Paused = field(default_factory=pauses.Paused)
    wait: BaseException | None = None


def look() -> LedgerHealth:
    """Look at the ledger over a new connection. An open one to a dead host may seem alive for minutes.

    Raises:
      DatabaseError: The database is away, read-only, full or not migrated.
    """
    health, are_locks_free = LedgerHealth(), False
    try:
        with quick_connection() as quick, limits(quick):
            health.processes = list(WorkerProcess.objects.beating().with_idle_time())
            health.needs_scheduler = needs_scheduler()
            health.paused = pauses.read()
            _check_locks(quick)
            are_locks_free = True
            health.oldest, health.untaken = oldest_due()
    except OperationalError as error:
        cause = error.__cause__
        if not {getattr(cause, "sqlstate", None), getattr(cause, "sqlite_errorname", None)} & WAITED:
            raise
        if not are_locks_free:
            health.wait = cause
    return health


@contextmanager
def quick_connection() -> Iterator[Any]:
    """Give this thread's statements a new connection that waits for nothing for long."""
    usual = connections["default"]
    quick = usual.copy()
    quick.settings_dict["OPTIONS"] = {**quick.settings_dict["OPTIONS"], **QUICK_OPTIONS[quick.vendor]}
    connections["default"] = quick
    try:
        yield quick
    finally:
        connections["default"] = usual
        quick.close()


@contextmanager
def limits(quick: Any) -> Iterator[None]:
    """Check that the database takes writes, and limit the time of what follows."""
    if quick.vendor == "sqlite":
        _check_disk(Path(quick.settings_dict["NAME"]))
        yield
        return
    # Local to the transaction: PgBouncer takes no such options at the start of a connection.
    with transaction.atomic(), quick.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true), "
            "pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean",
            [str(LOCK_TIMEOUT_MS), str(STATEMENT_TIMEOUT_MS)],
        )
        if cursor.fetchone()[2]:
            raise OperationalError("the database is read-only")
        yield


def _check_disk(path: Path) -> None:
    if path.is_file() and shutil.disk_usage(path.parent).free < LEAST_FREE_BYTES:
        raise OperationalError("the disk of the database is full")


def _check_locks(quick: Any) -> None:
    """Take the locks of a write and write nothing."""
    with quick.cursor() as cursor:
        if quick.vendor == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
        else:
            tables = ", ".join(quick.ops.quote_name(model._meta.db_table) for model in WRITTEN)
            cursor.execute(f"LOCK TABLE {tables} IN ROW EXCLUSIVE MODE")


def needs_scheduler() -> bool:
    """Return whether any schedule has a next slot, or a declared one has no row since no scheduler ever ran."""
    if Schedule.objects.filter(enabled=True, next_at__isnull=False).exists():
        return True
    names = declared.names()
    return Schedule.objects.filter(name__in=names).count() < len(names)


def oldest_due(*, sample: int = SAMPLE) -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds for which the oldest due task of each queue has waited, of all tasks and of published ones.

    The rows are grouped here, since PostgreSQL may plan a statement that groups them to read all pending rows first.

    Parameters:
      sample: Pending rows that are read from either end.
    """
    # A limited task waits for its limit, whatever the workers do.
    pending = TaskStatus.objects.filter(status=states.PENDING, in_line=False).annotate(age=SecondsSince("run_at"))
    oldest: dict[str, float] = {}
    untaken: dict[str, float] = {}
    # A long queue must not hide a short one that is older or younger than all of it.
    for order in ("pk", "-pk"):
        rows = pending.order_by(order).values_list("queue_name", "age", "delayed")
        for queue_name, waited, is_delayed in rows[:sample]:
            # SQLite computes to a ten-thousandth of a second. None: another program wrote an odd time.
            if waited is not None and waited > -0.001:
                for found in (oldest,) if is_delayed else (oldest, untaken):
                    found[queue_name] = max(waited, found.get(queue_name, 0.0))
    return oldest, untaken
