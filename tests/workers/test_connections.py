"""Database connections of a worker process: none is trusted without end, and no task inherits a transaction."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction

from apps.core import connections as guarded
from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from workers import checks
from workers.process import fork, reconciler

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


@pytest.mark.parametrize("how", HOW)
def test_the_next_function_of_a_thread_may_begin_a_durable_block(working, ended, declare, how: str) -> None:
    async def leaves_it_open() -> None:
        await sync_to_async(tasks.leave_a_transaction_open)(how)

    async def begins() -> None:
        await sync_to_async(write_durably)("durable")

    ended(declare(leaves_it_open, max_retries=0).send())
    row = ended(declare(begins, max_retries=0).send())
    assert (row.status, row.error_message) == ("completed", "")
    assert Effect.objects.filter(nonce="durable").exists()


def write_durably(nonce: str) -> None:
    with transaction.atomic(durable=True):
        write(nonce)


def write(nonce: str) -> None:
    Effect.objects.create(nonce=nonce, task_id="", attempt=0, pid=0)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("pool", ["shared thread of async actors", "pool of a module"])
def test_a_neighbour_that_waits_for_the_thread_does_not_write_into_an_open_transaction(
    working, ended, declare, pool: str, how: str
) -> None:
    began, neighbours = threading.Event(), threading.Semaphore(0)
    own_pool = ThreadPoolExecutor(1)

    def leave() -> None:
        began.set()
        assert neighbours.acquire(timeout=60)
        assert neighbours.acquire(timeout=60)
        tasks.leave_a_transaction_open(how)
        write("left open")

    async def run(function: Callable[..., None], *args: str) -> None:
        if pool == "pool of a module":
            await asyncio.get_running_loop().run_in_executor(own_pool, function, *args)
        else:
            await sync_to_async(function)(*args)

    async def leaves_it_open() -> None:
        await run(leave)

    async def neighbour(nonce: str, in_block: bool) -> None:
        await asyncio.to_thread(began.wait, 60)
        waiting = asyncio.ensure_future(run(write_durably if in_block else write, nonce))
        await asyncio.sleep(0)
        neighbours.release()
        await waiting

    leaves, writes = declare(leaves_it_open, max_retries=0), declare(neighbour, max_retries=0)
    message = leaves.send()
    others = [writes.send(f"{in_block}", in_block) for in_block in (False, True)]
    try:
        rows = [ended(other) for other in others]
        assert [(row.status, row.error_message) for row in rows] == [("completed", "")] * 2
        row = ended(message)
        assert (row.status, row.error_message[:29]) == ("failed", "It ended inside a transaction")
        assert set(Effect.objects.values_list("nonce", flat=True)) == {"False", "True"}
    finally:
        own_pool.submit(connections.close_all).result()
        own_pool.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_that_gets_no_connection_leaves_the_parents_alone(server) -> None:
    """It asks other threads for theirs, and those belong to the parent."""
    resting, go_on = threading.Event(), threading.Event()
    found: list[int] = []

    def use_twice() -> None:
        guarded.own()
        found.append(pid(connections["default"]))
        guarded.rest()
        resting.set()
        go_on.wait(60)
        found.append(pid(connections["default"]))
        connections.close_all()

    fork.prepare()
    guarded.watch()
    thread = threading.Thread(target=use_twice)
    thread.start()
    try:
        assert resting.wait(60)
        child = os.fork()
        if child == 0:
            guarded.close_resting()
            os._exit(0)
        assert os.waitpid(child, 0) == (child, 0)
    finally:
        go_on.set()
        thread.join()
        guarded.unwatch()
    assert len(set(found)) == 1
    assert len(found) == 2


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
    wait_until(lambda: count() <= before + 1)


# --- One connection ------------------------------------------------------------------------------


@pytest.fixture
def own_connection(server) -> Any:
    """Give this thread a new connection with a guard."""
    guarded.watch()
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


@pytest.fixture
def in_own_thread() -> Iterator[Callable[[Callable[[Any], Any]], Any]]:
    """Call a function with a guarded connection, in a thread of the task system. Return what it returns."""
    guarded.watch()

    def call(function: Callable[[Any], Any]) -> Any:
        def run() -> Any:
            guarded.own()
            try:
                return function(connections["default"])
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run).result()

    yield call
    guarded.unwatch()


def test_a_resting_connection_that_another_thread_closes_is_outside_of_transactions(in_own_thread) -> None:
    def rest_and_look(database: Any) -> bool:
        Effect.objects.count()
        guarded.rest()
        raw = database.connection
        guarded.close_resting()
        database.connection = raw  # As this thread read it before.
        found = guarded.is_in_transaction()
        database.connection = None
        return found

    assert not in_own_thread(rest_and_look)


def test_a_resting_connection_is_not_closed_while_the_driver_uses_it(in_own_thread, server) -> None:
    def use_driver(database: Any) -> tuple[int, int]:
        first = pid(database)
        guarded.rest()
        database.connection.execute("BEGIN")
        guarded.close_resting()
        database.connection.execute("ROLLBACK")
        return first, pid(database)

    first, second = in_own_thread(use_driver)
    assert first == second


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
            # The thread that learns of it connects then.
            for running in TaskStatus.objects.filter(status="processing").values_list("task_id", flat=True):
                ledger.cancel(running)
        return int(server(f"SELECT count(*) {OTHERS}")[0][0] - before)

    wait_until(lambda: count() == expected, every=0.1)
    assert max(count() for _ in range(20)) <= expected
