"""Statements on PostgreSQL that go to libpq directly: their caller works while the server does."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from dramatiq.middleware import Shutdown
from psycopg.pq import TransactionStatus
from pytest_django import Settings

from apps.tasks.models import TaskStatus
from apps.tasks.statements import postgresql
from apps.tasks.statements.direct import Statement
from tests.acting import tasks

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.fast_path("statements go through Django's cursors"),
]

PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE name = 'test_number'"


@pytest.fixture(autouse=True)
def _postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server to wait for")


@pytest.fixture
def number() -> Iterator[Statement]:
    yield Statement("SELECT $1::int + 1, $2::text", name="test_number")
    connection.close()  # The statement is prepared on it.


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute(PREPARED)
        return int(cursor.fetchone()[0])


def test_it_is_planned_once_and_returns_its_rows(number: Statement) -> None:
    assert [number.execute(1, "ä"), number.execute(-3, "b")] == [[(2, "ä")], [(-2, "b")]]
    assert prepared() == 1


def test_its_caller_works_while_the_server_does(number: Statement) -> None:
    seen: list[object] = []

    def meanwhile() -> None:
        seen.append(TransactionStatus(connection.connection.pgconn.transaction_status).name)

    number.execute(1, "a", meanwhile=meanwhile)
    with transaction.atomic():
        number.execute(1, "begins", meanwhile=lambda: seen.append("before"))
        number.execute(1, "goes on", meanwhile=meanwhile)
    assert seen == ["ACTIVE", "before", "ACTIVE"]


def test_a_batch_is_with_the_server_before_its_caller_works() -> None:
    left: list[int] = []
    length = Statement("SELECT length($1)")
    found = length.execute("x" * 8_000_000, meanwhile=lambda: left.append(connection.connection.pgconn.flush()))
    assert (found, left) == ([(8_000_000,)], [0])


def test_a_caller_that_fails_meanwhile_leaves_the_connection_and_its_transaction_in_order(number: Statement) -> None:
    def fail() -> None:
        raise RuntimeError

    with transaction.atomic():
        sent = tasks.effect.send("inside")
        with pytest.raises(RuntimeError):
            number.execute(1, "first", meanwhile=fail)
        assert number.execute(2, "second") == [(3, "second")]
    assert TaskStatus.objects.get().task_id == sent.message_id


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, Shutdown])
def test_an_interrupted_statement_leaves_no_answer_to_the_next(
    number: Statement, interruption: type[BaseException]
) -> None:
    def interrupt() -> None:
        raise interruption

    with pytest.raises(interruption):
        number.execute(1, "first", meanwhile=interrupt)
    assert number.execute(2, "second") == [(3, "second")]


def test_an_interrupted_statement_ends_its_transaction(number: Statement) -> None:
    def interrupt() -> None:
        raise Shutdown

    with pytest.raises(Shutdown), transaction.atomic():
        tasks.effect.send("inside")
        number.execute(1, "first", meanwhile=interrupt)
    assert not TaskStatus.objects.exists()


def test_a_wrong_value_is_django_s_error_and_the_connection_goes_on(number: Statement) -> None:
    for wrong in (2**40, "a\0b"):
        with pytest.raises(DataError):
            number.execute(wrong, "x")
    with pytest.raises(IntegrityError), transaction.atomic():
        Statement("INSERT INTO tasks_taskstatus (task_id) VALUES ($1)", name="test_twice").execute("x")
    assert number.execute(1, "a") == [(2, "a")]


def test_a_statement_that_cannot_be_planned_is_planned_again_next_time() -> None:
    statement = Statement("SELECT * FROM missing_table", name="test_missing")
    for _ in range(2):
        with pytest.raises(Exception, match="missing_table"):
            statement.execute()


def test_a_discarded_statement_is_planned_again(number: Statement) -> None:
    number.execute(1, "a")
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    assert number.execute(2, "b") == [(3, "b")]
    assert (number.execute(3, "c"), prepared()) == ([(4, "c")], 1)


def test_a_statement_discarded_in_a_transaction_is_an_error(number: Statement) -> None:
    number.execute(1, "a")
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    with pytest.raises(ProgrammingError, match="does not exist"), transaction.atomic():
        TaskStatus.objects.count()
        number.execute(2, "b")
    assert number.execute(3, "c") == [(4, "c")]


def test_a_connection_whose_health_check_is_due_is_checked(number: Statement, monkeypatch: pytest.MonkeyPatch) -> None:
    number.execute(1, "a")
    terminate()
    monkeypatch.setattr(connection, "health_check_enabled", True)
    monkeypatch.setattr(connection, "health_check_done", False)
    assert number.execute(2, "b") == [(3, "b")]


def terminate() -> None:
    """End the connection's server process."""
    info = connection.connection.info
    with psycopg.connect(info.dsn, password=info.password) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [info.backend_pid])


def test_a_connection_that_the_server_closed_is_django_s_error(number: Statement) -> None:
    number.execute(1, "a")
    terminate()
    with pytest.raises(OperationalError):
        number.execute(1, "a")


def watched_by_the_log() -> int:
    with CaptureQueriesContext(connection) as queries:
        tasks.effect.send("n")
    return len([query for query in queries if "INSERT INTO" in query["sql"]])


def watched_by_a_wrapper() -> int:
    seen = []

    def wrapper(execute: Callable[..., object], sql: str, *rest: object) -> object:
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(wrapper):
        tasks.effect.send("n")
    return seen.count(postgresql.INSERT_ONE.sql)


@pytest.mark.parametrize("watched", [watched_by_the_log, watched_by_a_wrapper])
def test_a_watched_statement_goes_through_a_cursor(watched: Callable[[], int]) -> None:
    assert watched() == 1


def test_no_statement_is_prepared_if_the_settings_forbid_it(number: Statement, settings: Settings) -> None:
    settings.DATABASE_PREPARED_STATEMENTS = False
    assert number.execute(1, "a") == [(2, "a")]
    assert prepared() == 0


def test_a_statement_that_another_client_of_a_pooler_prepared_is_not_prepared_any_more(number, monkeypatch) -> None:
    monkeypatch.setattr(Statement, "is_pooled", False)
    with connection.cursor() as cursor:
        cursor.execute("PREPARE test_number AS SELECT 0")
    meanwhile: list[int] = []
    assert number.execute(1, "ä", meanwhile=lambda: meanwhile.append(1)) == [(2, "ä")]
    assert number.execute(2, "b") == [(3, "b")]
    assert (meanwhile, Statement.is_pooled) == ([1], True)
