"""Runs statements with `$1` parameters on PostgreSQL through libpq, nearly without Django and psycopg.

For a single row the machinery around a statement costs half as much as the statement. It is therefore handed to libpq
as it is, planned once per connection where that pays, and its caller works while the server writes. `TASK_FAST_PATH`
turns this off.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import Connection, Error, RawCursor
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import DuplicatePreparedStatement, InvalidSqlStatementName, error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from apps.tasks.conf import conf

logger = logging.getLogger(__name__)

Rows = list[tuple[Any, ...]]


class Batch(RawCursor[Any]):
    """A cursor that sends parameters apart from the statement: a batch may have a megabyte of them."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "Batch":
        super().execute(query, params, **{"prepare": False, **options})
        return self


class Statement:
    """A statement that is planned each time, or once per connection.

    If statements are watched (by Django's log or a wrapper), it goes through a cursor like any other.

    Parameters:
      name: Name of the prepared statement, which is planned once per connection if the settings allow that.
    """

    #: Another client's statement was found under the same name: a pooler is between. Nothing is prepared from then on.
    is_pooled = False

    def __init__(self, sql: str, *, name: str = "") -> None:
        self.sql, self.name = sql, name
        #: Connections on which it is prepared.
        self._known_to: WeakSet[Connection[Any]] = WeakSet()

    def execute(self, *parameters: Any, meanwhile: Callable[[], object] = lambda: None) -> Rows:
        """Run the statement and return its rows.

        Parameters:
          meanwhile: Called once, while the server works where that is possible. It must not use the database, not even
            through a log handler.

        Raises: Django's database errors, and errors of `meanwhile`. The statement may have taken then.
        """
        return self._run(parameters, meanwhile, None) or []

    def write(self, *parameters: Any, expected: int, meanwhile: Callable[[], object]) -> Rows | None:
        """Run a statement that writes rows. Return the rows that it returns, or None if it wrote the expected number.

        None costs nothing: the rows are not read. Parameters, Raises: As `execute`.
        """
        return self._run(parameters, meanwhile, expected)

    def _run(self, parameters: Sequence[Any], meanwhile: Callable[[], object], expected: int | None) -> Rows | None:
        database = _connected()
        if not _is_plain(database):
            meanwhile()
            return self._execute_watched(database, parameters, expected)
        database.validate_no_broken_transaction()
        is_prepared = True
        with database.wrap_database_errors, database.connection.lock:
            try:
                return self._execute(database.connection, parameters, meanwhile, expected)
            except InvalidSqlStatementName:
                # Discarded by another program. Nothing was done, so it can run again; in a transaction, only later.
                self._known_to.discard(database.connection)
                if database.connection.pgconn.transaction_status != TransactionStatus.IDLE:
                    raise
            except DuplicatePreparedStatement:
                Statement.is_pooled = True
                if database.connection.pgconn.transaction_status != TransactionStatus.IDLE:
                    raise
                is_prepared = False
            except BaseException:
                # Cut off in the middle, as by a time limit: the next statement would take the answer for its own.
                if database.connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
                    database.close()
                raise
        if not is_prepared:
            logger.warning("statements are not prepared any more, a pooler is between name=%s", self.name)
            meanwhile()
        return self._execute_watched(database, parameters, expected)

    def _execute_watched(self, database: Any, parameters: Sequence[Any], expected: int | None) -> Rows | None:
        cursor = Batch(database.connection)
        with database.make_debug_cursor(cursor) if database.queries_logged else database.make_cursor(cursor) as cursor:
            cursor.execute(self.sql, parameters)
            if expected is not None and cursor.rowcount == expected:
                return None
            return list(cursor.fetchall()) if cursor.description else []

    def _execute(
        self,
        connection: Connection[Any],
        parameters: Sequence[Any],
        meanwhile: Callable[[], object],
        expected: int | None,
    ) -> Rows | None:
        server = connection.pgconn
        is_prepared = self.name and conf.DATABASE_PREPARED_STATEMENTS and not Statement.is_pooled
        if is_prepared and connection not in self._known_to:
            self._prepare(connection)
        transformer = Transformer(connection)
        texts = transformer.dump_sequence(parameters, [PyFormat.TEXT] * len(parameters))
        if is_prepared:
            server.send_query_prepared(self.name.encode(), texts)
        else:
            server.send_query_params(self.sql.encode(), texts)
        if server.flush():
            connection.wait(_sent(server))  # All of it: the server waits for the end of a large batch.
        try:
            meanwhile()
        except Exception:
            _answer(connection)  # Leaves the connection in order.
            raise
        result = _answer(connection)
        if expected is not None and result.command_tuples == expected:
            return None
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    def _prepare(self, connection: Connection[Any]) -> None:
        # Noted first: cut off between the two steps, it would be prepared twice, which the server refuses.
        self._known_to.add(connection)
        try:
            connection.pgconn.send_prepare(self.name.encode(), self.sql.encode())
            _answer(connection)
        except Error:
            self._known_to.discard(connection)
            raise


def _connected() -> Any:
    """Return Django's connection, its health checked if that is due."""
    database: Any = connections[DEFAULT_DB_ALIAS]  # A look through `connection` costs as much each time.
    database.close_if_health_check_failed()
    database.ensure_connection()
    return database


def _is_plain(database: Any) -> bool:
    """Return whether the statement may go to libpq: none is watched, and this one need not begin a transaction."""
    server = database.connection.pgconn
    return (
        conf.TASK_FAST_PATH
        and not database.queries_logged
        and not database.execute_wrappers
        and server.pipeline_status == PipelineStatus.OFF
        and (server.transaction_status == TransactionStatus.INTRANS or database.connection.autocommit)
    )


def _sent(server: PGconn) -> PQGen[None]:
    while server.flush():
        if (yield Wait.RW) & Ready.R:
            server.consume_input()


def _answer(connection: Connection[Any]) -> PGresult:
    """Return the server's answer to the last statement. Raises: psycopg's errors."""
    results: list[PGresult] = connection.wait(execute(connection.pgconn))
    for result in results:
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise error_from_result(result, encoding=connection.info.encoding)
    return results[-1]
