"""Locks of others, for which a thread that serves many waits for a short time only."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

from apps.tasks.errors import LockedError

#: Milliseconds that the writer, the relay and a scheduler wait for the key of a unique send.
PATIENCE_MS = 50
#: Codes of PostgreSQL: a lock was waited for too long, or by each of two transactions.
LOCKED = ("55P03", "40P01")


@contextmanager
def patience(*, milliseconds: int = PATIENCE_MS) -> Iterator[None]:
    """Run a block in a transaction or a savepoint. Each of its statements waits for locks that long, at most.

    SQLite has one writer: no lock is that of a row.

    Raises:
      LockedError: Another transaction has locked a row. The block is rolled back.
    """
    is_inner = connection.in_atomic_block
    try:
        with transaction.atomic():
            if connection.vendor != "postgresql":
                yield
                return
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{milliseconds}ms'")
                yield
                if is_inner:
                    cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) not in LOCKED:
            raise
        raise LockedError("another transaction has locked a row") from error
