"""Database connections of a worker process: none is trusted without end, and no task inherits a transaction."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction

from apps.core import connections as guarded
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from workers import checks
from workers.process import reconciler

pytestmark = [pytest.mark.django_db(transaction=True)]

HOW = ["atomic", "savepoint", "autocommit off", "BEGIN", "broken"]

#: Server processes of the other connections to this test's database.
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def server() -> Callable[[str], list[tuple[Any, ...]]]:
    """Run a statement on PostgreSQL. The test is skipped on SQLite, which has no server."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that could close a connection")

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    return ask


def run_more_tasks(ended: Callable[..., Any]) -> None:
    """Run a task on each thread, and an async one, and see that their writes are there."""
    messages = [tasks.effect.send(f"after {number}") for number in range(8)] + [tasks.effect_async.send("after")]
    assert {ended(message).status for message in messages} == {"completed"}
    assert Effect.objects.filter(nonce__startswith="after ").count() == 8


# --- A task that leaves a transaction open -------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("actor", [tasks.leave_open, tasks.leave_open_async, tasks.leave_open_in_a_thread])
def test_a_task_that_leaves_a_transaction_open_fails_and_the_next_ones_do_not_inherit_it(
    working, ended, actor, how
) -> None:
    row = ended(actor.send(how))
    assert (row.status, row.error_message[:29]) == ("failed", "It ended inside a transaction")
    run_more_tasks(ended)
    assert not Effect.objects.filter(nonce__startswith="left open").exists()


@pytest.mark.parametrize("how", ["atomic", "savepoint", "broken"])
def test_a_transactional_task_that_leaves_a_block_open_fails(working, ended, how) -> None:
    row = ended(tasks.leave_open_transactional.send(how))
    assert (row.status, row.result) == ("failed", None)
    run_more_tasks(ended)
    assert not Effect.objects.filter(nonce__startswith="left open").exists()


@pytest.mark.parametrize("actor", [tasks.leave_open, tasks.leave_open_transactional, tasks.leave_open_async])
def test_a_task_that_raises_inside_a_transaction_keeps_its_own_error(working, ended, actor) -> None:
    row = ended(actor.send("raises"))
    assert (row.status, row.error_message) == ("failed", "inside a transaction")
    run_more_tasks(ended)
    assert not Effect.objects.filter(nonce__startswith="left open").exists()


def test_the_log_names_the_task_that_left_a_transaction_open(working, ended, caplog) -> None:
    message = tasks.leave_open.send("atomic")
    ended(message)
    assert f"transaction rolled back, its task ended inside it id={message.message_id}" in caplog.text


def test_an_actor_that_is_called_inside_a_transaction_of_its_caller_may_write(working, ended) -> None:
    assert ended(tasks.call_inside_a_transaction.send("called")).status == "completed"
    assert Effect.objects.filter(nonce="called").exists()


def test_a_function_that_still_runs_in_a_pool_keeps_its_transaction() -> None:
    user, began, go_on = object(), threading.Event(), threading.Event()
    written: list[bool] = []

    def write() -> None:
        with transaction.atomic():
            Effect.objects.create(nonce="slow", task_id="", attempt=0, pid=0)
            began.set()
            go_on.wait(10)
        written.append(True)
        connections.close_all()

    guarded.watch(current_user=lambda: user)
    try:
        thread = threading.Thread(target=write)
        thread.start()
        assert began.wait(10)
        assert not guarded.roll_back(user)
    finally:
        guarded.unwatch()
        go_on.set()
        thread.join()
    assert written == [True]
    assert Effect.objects.filter(nonce="slow").exists()


# --- The server closes connections ---------------------------------------------------------------


def test_no_task_notices_that_the_server_closed_all_connections(working, ended, server, monkeypatch) -> None:
    monkeypatch.setattr(guarded, "IDLE_SECONDS", 0.0)
    run_more_tasks(ended)
    assert len(server(f"SELECT pg_terminate_backend(pid) {OTHERS}")) > 3
    Effect.objects.all().delete()
    run_more_tasks(ended)


def test_connections_of_ended_threads_are_closed(working, ended, server, wait_until, monkeypatch) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.05)
    run_more_tasks(ended)

    def count() -> int:
        return int(server(f"SELECT count(*) {OTHERS}")[0][0])

    before = count()
    assert ended(tasks.effects_in_threads.send(6)).status == "completed"
    assert Effect.objects.filter(nonce__startswith="thread ").count() == 6
    wait_until(lambda: count() <= before + 1, timeout=15)


# --- One connection ------------------------------------------------------------------------------


@pytest.fixture
def own_connection(server) -> Any:
    """Give this thread a new connection with a guard."""
    guarded.watch(current_user=lambda: None)
    connection.close()
    del connections["default"]
    yield connections["default"]
    guarded.unwatch()
    connections["default"].close()
    del connections["default"]


def pid(database: Any) -> int:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_a_connection_is_replaced_that_was_unused_for_long(own_connection, monkeypatch) -> None:
    first = pid(own_connection)
    assert pid(own_connection) == first
    monkeypatch.setattr(guarded, "FORGOTTEN_SECONDS", 0.0)
    assert pid(own_connection) != first


def test_a_connection_is_checked_after_its_first_statement(own_connection, monkeypatch) -> None:
    first = pid(own_connection)
    own_connection.connection.close()  # As the server does: Django does not know.
    monkeypatch.setattr(guarded, "IDLE_SECONDS", 0.0)
    assert pid(own_connection) != first


def test_a_connection_is_not_replaced_inside_a_transaction(own_connection, monkeypatch) -> None:
    pid(own_connection)
    monkeypatch.setattr(guarded, "FORGOTTEN_SECONDS", 0.0)
    with transaction.atomic():
        first = pid(own_connection)
        assert pid(own_connection) == first


def test_a_connection_works_again_after_an_error(own_connection) -> None:
    first = pid(own_connection)
    own_connection.connection.close()  # As the server does: Django does not know.
    with pytest.raises(Exception, match="closed"):
        pid(own_connection)
    assert pid(own_connection) != first


# --- The number of connections -------------------------------------------------------------------


def test_a_task_waits_for_a_connection_that_the_server_refuses(working, ended, server, monkeypatch, caplog) -> None:
    database: Any = type(connections["default"])
    real, refusals = database.get_new_connection, [2]

    def get_new_connection(self: Any, parameters: Any) -> Any:
        if threading.current_thread() in working.workers and refusals[0]:
            refusals[0] -= 1
            raise database.Database.OperationalError("sorry, too many clients already")
        return real(self, parameters)

    monkeypatch.setattr(database, "get_new_connection", get_new_connection)
    monkeypatch.setattr(guarded, "PAUSE_SECONDS", 0.01)
    row = ended(tasks.effect.send("waits"))
    assert (row.status, row.retries, refusals) == ("completed", 0, [0])
    assert "task waits for a database connection error=sorry, too many clients already" in caplog.text


@pytest.fixture
def _kept(monkeypatch) -> None:
    """Let threads keep their connections between tasks."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 60)


@pytest.mark.usefixtures("_kept")
def test_a_thread_that_waits_for_a_task_gives_its_connection_up(working, ended, server, wait_until) -> None:
    def count() -> int:
        return int(server(f"SELECT count(*) {OTHERS}")[0][0])

    run_more_tasks(ended)
    before = count()
    guarded.close_resting(is_expired=True)
    assert count() == before
    guarded.close_resting()
    wait_until(lambda: count() < before)
    Effect.objects.all().delete()
    run_more_tasks(ended)


@pytest.mark.processes
def test_a_worker_process_holds_as_many_connections_as_the_docs_say(command, broker, server, wait_until) -> None:
    threads = 3
    before = server(f"SELECT count(*) {OTHERS}")[0][0]
    queues = ["default", "slow"]
    command("runworker", "--single", "--queues", *queues, "--threads", str(threads), DATABASE_CONN_MAX_AGE="60")
    expected = threads + len(queues) + checks.PROCESS_CONNECTIONS
    sent = 0

    def count() -> int:
        nonlocal sent
        if TaskStatus.objects.unfinished().count() < threads:
            sent += 1
            tasks.slow_effect.send(f"{sent}", 0.2)
            tasks.effect_async.send(f"async {sent}")
        return int(server(f"SELECT count(*) {OTHERS}")[0][0] - before)

    wait_until(lambda: count() == expected, timeout=40, every=0.1)
    assert {count() for _ in range(20)} == {expected}
