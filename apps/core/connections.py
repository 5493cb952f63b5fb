"""Database connections of threads that Django does not manage.

Django checks a connection at the start and at the end of a request. The threads of a worker process have no requests,
so each kind of thread has its rule:

- Worker threads: checked between two tasks, and after a pause of `IDLE_SECONDS`. A transaction that a task left open is
  rolled back. While the thread waits for a task, its connection can be closed for another thread.
- Other threads, such as those of `sync_to_async`: checked after a pause and after an error. A transaction that a
  function of a pool left open is rolled back. The connection of a thread that ended is closed.
- Threads of the task system, which repeat what failed: closed after an error, by the thread itself.

No connection is trusted that was unused for `FORGOTTEN_SECONDS`.
"""

import logging
import select
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

#: Time limits towards PostgreSQL. libpq has none of its own: a peer that vanished without a word would be waited for as
#: long as the kernel likes, about 15 minutes. `tcp_user_timeout` is in milliseconds, the others in seconds.
POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 10_000,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
#: Seconds without a statement after which a connection is checked before the next one.
IDLE_SECONDS = 1.0
#: Seconds without a statement after which a connection is replaced. A firewall between may have forgotten it without a
#: word, and a check would wait for an answer in vain.
FORGOTTEN_SECONDS = 60.0
#: Seconds that a task waits for a connection. The server may have no more of them, or restart.
CONNECT_SECONDS = 90.0
#: Seconds between two attempts to connect.
PAUSE_SECONDS = 0.25

#: `TransactionStatus.IDLE` and `UNKNOWN` of libpq. Elsewhere a transaction is open.
OUTSIDE_TRANSACTIONS = (0, 4)
#: `TransactionStatus.ACTIVE` of libpq: a statement runs, or its result was not read yet.
ACTIVE = 1
#: Milliseconds between two looks of PostgreSQL whether the client of a long statement is still there, and the version
#: that can look.
CLIENT_CHECK_MS = 100
CHECKS_CLIENT = 140_000
#: Seconds that the cancellation of a statement may take.
INTERRUPT_SECONDS = 5.0

_thread = threading.local()
#: Guards of this process: of threads that `own` announced, and of all others.
_own: set["Guard"] = set()
_others: set["Guard"] = set()
#: Connections of a parent process. Referenced for ever, since a copy that is freed or closed ends the parent's session.
_inherited: list[object] = []


def close_broken() -> None:
    """Close this thread's connection, which may be broken. The next statement opens a new one."""
    _close(connection)


@contextmanager
def statement_timeout(seconds: float) -> Iterator[None]:
    """Run the statements of the block in one transaction, each within a time limit, on PostgreSQL.

    Raises: Django's `OperationalError` after the time, also if it was spent waiting for a lock.
    """
    if connection.vendor != "postgresql":
        yield  # SQLite has a limit of its own, and a transaction would take its write lock.
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(round(seconds * 1000))])
        yield


def close_idle() -> None:
    """Close this thread's connections, except those inside a transaction."""
    for opened in connections.all(initialized_only=True):
        if not opened.in_atomic_block:
            opened.close()


def keep_between_requests() -> None:
    """Announce that this thread goes from request to request, and that its connection is used by each of them."""
    _thread.is_kept = True


def leave_to_stream() -> None:
    """Close this thread's connections before the answer of its request is streamed, unless other requests have them."""
    if not hasattr(_thread, "is_kept"):
        close_idle()


def keep_no_statements() -> None:
    """Under DEBUG, keep no texts of statements in this process. Call it before other threads start.

    Django keeps the last 9,000 of each connection, with all parameters, until the next request. A worker, relay or
    scheduler has none.
    """
    if settings.DEBUG:
        logger.warning("DEBUG is on, which makes every statement slower: turn it off in production")
        BaseDatabaseWrapper.queries_limit = 0
        for opened in connections.all(initialized_only=True):
            opened.queries_log = deque(maxlen=0)


def _close(database: Any) -> None:
    try:
        database.close()
    except Exception:
        logger.debug("broken connection could not be closed", exc_info=True)


# --- Worker processes ----------------------------------------------------------------------------


def watch() -> None:
    """Guard the connections of every thread that begins to use the database from now on."""
    connections.create_connection = _create_guarded  # type: ignore[method-assign]


def unwatch() -> None:
    """Guard no more connections, and close those that no thread uses just now."""
    vars(connections).pop("create_connection", None)
    close_abandoned()
    for guard in [*_own, *_others]:
        guard.close_resting()


def own(*, repeats: bool = False) -> None:
    """Announce that this thread belongs to the task system. Call it before its first statement.

    Parameters:
      repeats: The thread repeats statements that failed, so that its connections need no check.
    """
    _thread.guards, _thread.is_own, _thread.repeats = [], True, repeats


def begin_child() -> None:
    """Forget all connections, in a process that was just forked. They are the parent's."""
    opened = connections.all(initialized_only=True)
    _inherited.append([*_own, *_others, *opened])
    _own.clear()
    _others.clear()
    vars(_thread).clear()
    for database in opened:
        del connections[database.alias]


def _create_guarded(alias: str) -> BaseDatabaseWrapper:
    database = type(connections).create_connection(connections, alias)
    guard = Guard(database, repeats=getattr(_thread, "repeats", False))
    if not hasattr(_thread, "guards"):
        _thread.guards = []
    _thread.guards.append(guard)
    (_own if hasattr(_thread, "is_own") else _others).add(guard)
    return database


def _guards() -> list["Guard"]:
    """Return the guards of this thread."""
    return getattr(_thread, "guards", [])


def is_in_transaction() -> bool:
    """Return whether this thread is inside a transaction."""
    return any(guard.is_open for guard in _guards())


def roll_back() -> bool:
    """Roll back the transactions that a task left open in this thread. Return whether there was one.

    A statement that an interrupt cut off is cancelled: without its client the server would bring it to its end.
    """
    left = [guard for guard in _guards() if guard.is_open]
    for guard in left:
        guard.end_statement()
        guard.reset()
    return bool(left)


def interrupt(thread_ids: Collection[int]) -> None:
    """Cancel the statements that other threads run just now. They get an error of the database, once."""
    for guard in [*_own, *_others]:
        if guard.thread.ident in thread_ids:
            guard.interrupt()


def end_task() -> None:
    """Leave this thread's connections in order for its next task, or for other threads until then."""
    roll_back()
    for guard in _guards():
        if not guard.is_resting:
            guard.database.close_if_unusable_or_obsolete()
    rest()


def rest() -> None:
    """Note that this thread uses its connections no more until its next statement."""
    for guard in _guards():
        guard.is_resting = True


def close_resting(*, is_expired: bool = False) -> None:
    """Close the connections of threads of the task system that rest.

    A thread of a pool may rest between two parts of one task's work, such as the chunks of `aiterator()`.

    Parameters:
      is_expired: Only those that are older than `CONN_MAX_AGE`.
    """
    for guard in list(_own):
        guard.close_resting(is_expired=is_expired)


def close_abandoned() -> None:
    """Close the connections of ended threads. They stay open until Python's garbage collection finds them."""
    for guards in (_own, _others):
        for guard in [guard for guard in list(guards) if not guard.thread.is_alive()]:
            guards.discard(guard)
            if guard.is_open:
                logger.warning("transaction rolled back, its thread ended inside it thread=%s", guard.thread.name)
            guard.reset()


class Guard:
    """Decides before each statement whether a connection can be trusted.

    It takes the place of two methods of the connection, which Django calls outside of transactions.
    """

    def __init__(self, database: Any, *, repeats: bool) -> None:
        #: Django's connection, a `BaseDatabaseWrapper`.
        self.database = database
        self.repeats = repeats
        self.thread = threading.current_thread()
        #: Time of the last statement, by the monotonic clock.
        self.used_at = time.monotonic()
        #: The thread waits for work. It leaves this state under the lock, and others close the connection under it.
        self.is_resting = False
        self._lock = threading.Lock()
        self._autocommit = database.settings_dict["AUTOCOMMIT"]
        #: The connection of the driver, once it is set up.
        self._connected: Any = None
        database.close_if_health_check_failed = self.check
        database.connect = self.connect

    def check(self) -> None:
        """Close the connection unless it can be trusted. Django connects anew then."""
        database = self.database
        now = time.monotonic()
        idle_seconds, self.used_at = now - self.used_at, now
        if self.is_resting:
            with self._lock:
                self.is_resting = False
        raw = database.connection
        if database.in_atomic_block or database.autocommit != self._autocommit:
            return
        if raw is None or raw is not self._connected:
            return  # In the middle of connecting, Django calls this, too.
        if idle_seconds > FORGOTTEN_SECONDS:
            _close(database)
        elif not self.repeats and (
            idle_seconds > IDLE_SECONDS
            or database.errors_occurred
            or (database.health_check_enabled and not database.health_check_done)
        ):
            if database.is_usable():
                database.errors_occurred = False
                database.health_check_done = True
            else:
                _close(database)

    def connect(self) -> None:
        """Connect. A task waits while the server of its own row takes no connection: it was there a moment ago."""
        database = self.database
        deadline = time.monotonic() + CONNECT_SECONDS
        is_patient = not self.repeats and database.alias == DEFAULT_DB_ALIAS and database.vendor == "postgresql"
        is_logged = False
        while True:
            try:
                type(database).connect(database)
                self._connected, self.used_at = database.connection, time.monotonic()
                if not self.repeats:
                    _end_with_client(database.connection)
                return
            except database.Database.OperationalError as error:
                close_resting()
                if not is_patient or time.monotonic() > deadline:
                    raise
                if not is_logged:
                    logger.warning("task waits for a database connection error=%s", " ".join(str(error).split()))
                    is_logged = True
            time.sleep(PAUSE_SECONDS)

    @property
    def is_open(self) -> bool:
        """Whether the connection is inside a transaction, begun by Django or by a statement."""
        database = self.database
        if database.in_atomic_block:
            return True
        raw = database.connection
        if raw is None or not self._autocommit:
            return False
        return not database.autocommit or _is_in_transaction(raw)

    def interrupt(self) -> None:
        """Cancel the statement that the connection's thread runs just now, if it does. Any thread may call it."""
        raw = self.database.connection
        server = getattr(raw, "pgconn", None)
        try:
            if server is None:
                raw.interrupt()  # Nothing, if no statement runs.
            elif server.transaction_status == ACTIVE:
                raw.cancel_safe(timeout=INTERRUPT_SECONDS)
        except Exception as error:  # Closed by its thread just now, or the server does not answer.
            logger.debug("statement could not be cancelled error=%s", error)

    def end_statement(self) -> None:
        """Cancel a statement of this thread whose result was not read, and wait for its end on the server."""
        raw = self.database.connection
        server = getattr(raw, "pgconn", None)
        if server is None or server.transaction_status != ACTIVE:
            return
        deadline = time.monotonic() + INTERRUPT_SECONDS
        try:
            raw.cancel_safe(timeout=INTERRUPT_SECONDS)
            while server.transaction_status == ACTIVE and (left := deadline - time.monotonic()) > 0:
                if server.is_busy():
                    select.select([server.socket], [], [], left)
                    server.consume_input()
                elif server.get_result() is None:
                    break
        except Exception as error:
            logger.warning("statement could not be cancelled error=%s", error)

    def reset(self) -> None:
        """Close the connection, whatever it is in the middle of. The next statement opens a new one."""
        database = self.database
        # Django would keep a connection that was closed inside `atomic` unusable until the block is left.
        database.in_atomic_block = database.closed_in_transaction = database.needs_rollback = False
        database.atomic_blocks, database.savepoint_ids = [], []
        database.inc_thread_sharing()
        try:
            _close(database)
        finally:
            database.dec_thread_sharing()

    def close_resting(self, *, is_expired: bool = False) -> None:
        """Close the connection if its thread rests."""
        with self._lock:
            if not self.is_resting or self.is_open:
                return  # Open all the same: used as the driver's connection, which no check sees.
            closes_at = self.database.close_at
            if not is_expired or (closes_at is not None and time.monotonic() >= closes_at):
                self.reset()


def _end_with_client(raw: Any) -> None:
    """Let PostgreSQL end a statement soon after its client was killed. It would bring it to its end, and commit it."""
    info = getattr(raw, "info", None)
    if info is not None and info.server_version >= CHECKS_CLIENT and raw.autocommit:
        try:
            raw.execute(f"SET client_connection_check_interval = {CLIENT_CHECK_MS}")
        except Exception as error:  # Its machine cannot tell.
            logger.debug("server does not look for its clients error=%s", error)


def _is_in_transaction(raw: Any) -> bool:
    """Return whether a connection of psycopg or of sqlite3 is inside a transaction."""
    server = getattr(raw, "pgconn", None)
    if server is not None:
        return server.transaction_status not in OUTSIDE_TRANSACTIONS
    try:
        return bool(raw.in_transaction)
    except sqlite3.ProgrammingError:  # Another thread has just closed it, since this one rests.
        return False
