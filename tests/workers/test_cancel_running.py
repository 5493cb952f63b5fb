"""A request to cancel reaches a task that runs."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import dramatiq
import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from dramatiq.middleware import Middleware, MiddlewareError
from dramatiq.threading import raise_thread_exception

from apps.tasks import ledger, progress
from apps.tasks.models import TaskAttempt, TaskStatus
from apps.tasks.progress import Cancelled
from apps.tasks.values import Claim
from tests.acting.models import Effect
from tests.acting.tasks import _record
from workers.process import cancellation
from workers.process.attempt import Attempt
from workers.process.holdings import Holdings

pytestmark = [pytest.mark.django_db(transaction=True)]

on_postgresql = pytest.mark.skipif(
    connection.vendor == "sqlite",
    reason="A task in a transaction has SQLite's only write lock, so no request is written",
)
#: Seconds that a task runs if nothing stops it. No test waits for it.
LONG = 60.0


@pytest.fixture
def cancelled(working: Any, ended: Callable[..., TaskStatus], wait_until: Callable[..., Any]) -> Callable[..., Any]:
    """Send a task, cancel it once it runs, and return its row."""

    def cancelled(message: Any, *, when: Callable[[], object] | None = None) -> TaskStatus:
        started = TaskStatus.objects.filter(task_id=message.message_id, started_at__isnull=False)
        wait_until(when or started.exists)
        assert not ledger.cancel(message.message_id)
        return ended(message)

    return cancelled


def in_progress() -> None:
    for _ in progress.track(range(int(LONG / 0.01)), "Steps"):
        time.sleep(0.01)


def in_python() -> None:
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        pass


def in_a_query() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_sleep(%s)", [LONG])
        else:
            cursor.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n")


async def in_async_code() -> None:
    await asyncio.sleep(LONG)


async def in_an_async_query() -> None:
    await sync_to_async(in_a_query)()


@pytest.mark.parametrize("work", [in_progress, in_python, in_a_query, in_async_code, in_an_async_query])
def test_a_running_task_is_cancelled(work, declare, cancelled) -> None:
    actor = declare(work, on_success="acting.say", on_failure="acting.say", max_retries=5)
    row = cancelled(actor.send())
    assert (row.status, row.attempt, row.retries, row.error_message) == ("cancelled", 0, 0, "")
    assert row.started_at < row.cancel_requested_at < row.finished_at
    assert TaskStatus.objects.count() == 1, "what follows a success or a failure does not follow"
    assert not TaskAttempt.objects.exists()


def test_a_task_is_told_by_the_database_while_redis_calls_nobody(declare, cancelled, monkeypatch, broker) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(broker.wire, "call", lambda broker_ids: None)
        assert cancelled(declare(in_python).send()).status == "cancelled"


def test_without_redis_a_process_looks_at_the_database(declare, cancelled, monkeypatch, broker, wait_until) -> None:
    def away(broker_id: str, *, timeout_seconds: float) -> bool:
        raise redis.ConnectionError("away")

    monkeypatch.setattr("workers.process.requests.LOOK_SECONDS", 0.05)
    monkeypatch.setattr(broker.runtime.reconciler, "compare_rows", lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(broker.wire, "wait_for_call", away)
        broker.wire.call([broker.runtime.holdings.broker_id])  # Ends the wait that is under way.
        assert cancelled(declare(in_python).send()).status == "cancelled"


def test_a_cancelled_task_keeps_its_progress(declare, cancelled) -> None:
    def work() -> None:
        progress.set(40, "Chapter 2")
        in_python()

    message = declare(work).send()
    row = cancelled(message, when=TaskStatus.objects.filter(progress=40).exists)
    assert (row.status, row.progress, row.progress_text) == ("cancelled", 40, "Chapter 2")


@on_postgresql
def test_what_a_task_did_stays_and_an_open_transaction_is_rolled_back(declare, cancelled) -> None:
    def work() -> None:
        _record("committed")
        with transaction.atomic():
            _record("rolled back")
            in_python()

    assert cancelled(declare(work).send()).status == "cancelled"
    assert list(Effect.objects.values_list("nonce", flat=True)) == ["committed"]


@on_postgresql
@pytest.mark.parametrize("work", [in_python, in_a_query])
def test_a_transactional_task_is_rolled_back(work, declare, cancelled, wait_until) -> None:
    began = threading.Event()

    def transactional() -> None:
        _record("rolled back")
        began.set()
        work()

    row = cancelled(declare(transactional, transactional=True).send(), when=began.is_set)
    assert row.status == "cancelled"
    assert not Effect.objects.exists()


@on_postgresql
def test_a_statement_that_was_cut_off_has_ended_on_the_server(declare, cancelled) -> None:
    def work() -> None:
        connection.ensure_connection()
        connection.connection.pgconn.send_query(b"SELECT pg_sleep(3599)")
        in_python()  # Its result is not read.

    assert cancelled(declare(work).send()).status == "cancelled"
    with connection.cursor() as cursor:
        cursor.execute("SELECT query FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(3599)'")
        assert cursor.fetchall() == []


def test_a_task_cleans_up(declare, cancelled) -> None:
    def work() -> None:
        try:
            in_python()
        except Cancelled:
            progress.set(50, "Cleaning up")
            _record("cleaned up")
            raise

    row = cancelled(declare(work).send())
    assert (row.status, row.progress_text) == ("cancelled", "Cleaning up")
    assert Effect.objects.get().nonce == "cleaned up"


def test_async_code_gets_the_error_of_asyncio_and_cleans_up(declare, cancelled) -> None:
    async def work() -> None:
        try:
            await in_async_code()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            await sync_to_async(Effect.objects.create)(nonce="cleaned up", attempt=0, pid=0)
            raise

    assert cancelled(declare(work).send()).status == "cancelled"
    assert Effect.objects.get().nonce == "cleaned up"


def test_an_error_of_the_clean_up_is_told_and_spends_no_retry(declare, cancelled) -> None:
    def work() -> None:
        try:
            in_python()
        finally:
            raise KeyError("clean-up")

    row = cancelled(declare(work, max_retries=5).send())
    assert (row.status, row.retries, row.error_type) == ("cancelled", 0, "KeyError")


def test_a_task_that_ends_well_all_the_same_is_completed(declare, cancelled) -> None:
    def work() -> str:
        with suppress(Cancelled):
            in_python()
        return "done"

    row = cancelled(declare(work).send())
    assert (row.status, row.result) == ("completed", "done")


def test_a_task_that_goes_on_is_interrupted_again(declare, cancelled, monkeypatch) -> None:
    monkeypatch.setattr(cancellation, "AGAIN_SECONDS", 0.05)
    interrupts: list[float] = []

    def work() -> None:
        while len(interrupts) < 3:
            try:
                in_python()
            except Cancelled:
                interrupts.append(time.monotonic())
        in_python()

    assert cancelled(declare(work).send()).status == "cancelled"
    assert len(interrupts) == 3


def test_a_shielded_section_is_not_cut(declare, cancelled, wait_until, broker) -> None:
    began, go = threading.Event(), threading.Event()

    def work() -> None:
        with progress.shielded():
            progress.set(10, "In the section")
            began.set()
            while not go.is_set():
                progress.advance()
            _record("whole")
        _record("after")

    message = declare(work).send()
    wait_until(began.is_set)
    ledger.cancel(message.message_id)
    wait_until(lambda: any(one.cancellation.is_requested for one in _held(broker)))
    go.set()
    assert cancelled(message).status == "cancelled"
    assert Effect.objects.get().nonce == "whole"


def _held(broker: Any) -> list[Any]:
    return list(broker.runtime.holdings.held.values())


def test_a_function_in_a_pool_ends_before_the_row_says_cancelled(declare, cancelled, wait_until) -> None:
    began, went_on = threading.Event(), threading.Event()
    pool = ThreadPoolExecutor(1)

    def beside() -> None:
        began.set()
        time.sleep(0.3)
        _record_beside()
        went_on.set()

    def never() -> None:
        raise AssertionError("it began after its task had ended")

    def work() -> None:
        futures = [pool.submit(progress.carry(beside)), pool.submit(never)]
        assert futures
        in_python()

    row = cancelled(declare(work).send(), when=began.is_set)
    assert row.status == "cancelled"
    assert went_on.is_set(), "the row had to wait for it"
    pool.shutdown()


def _record_beside() -> None:
    Effect.objects.create(nonce="beside", attempt=0, pid=0)


def test_a_send_is_whole_or_not_there(declare, cancelled) -> None:
    from tests.acting import tasks

    def work() -> None:
        while True:
            tasks.effect.send_with_options(args=("n",), delay=3_600_000)

    row = cancelled(declare(work).send())
    assert row.status == "cancelled"
    count = TaskStatus.objects.count()
    assert count > 1
    assert all(TaskStatus.objects.values_list("status", flat=True))


def test_a_request_for_a_task_that_ends_before_its_function_begins_leaves_no_thread(
    declare, working, broker, ended, monkeypatch, wait_until
) -> None:
    class Refusing(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            broker.runtime.holdings.cancel({(message.message_id, 0)})
            raise MiddlewareError("refused")

    monkeypatch.setattr(broker, "middleware", [*broker.middleware, Refusing()])
    assert ended(declare(in_python, max_retries=0).send()).status == "failed"
    wait_until(lambda: not any(thread.name == "cancellation" for thread in threading.enumerate()))


def test_a_request_in_the_instant_of_the_outcome_leaves_no_thread(wait_until) -> None:
    class Asking(progress.Reporter):
        def take(self) -> tuple[int, str]:
            holdings.cancel({("id", 0)})
            return super().take()

    message: dramatiq.Message[Any] = dramatiq.Message("q", "acting.work", (), {}, {"redis_message_id": "id:0"})
    attempt = Attempt(message, Claim("id", 1, 0, uuid.uuid4(), uuid.uuid4()))
    attempt.reporter = Asking(cancellation.Cancellation())
    attempt.started = time.monotonic()
    holdings = Holdings(uuid.uuid4(), threads=1, may_start=lambda: True)
    holdings.hold([attempt])
    attempt.release()
    wait_until(lambda: not any(thread.name == "cancellation" for thread in threading.enumerate()))


def test_a_thread_runs_its_next_task_unharmed(declare, working, ended, wait_until) -> None:
    """Requests that come late or at the end of a task never hit the thread's next one."""

    def short(seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pass
        return "done"

    actor = declare(short)
    messages = [actor.send(0.001 * (number % 7)) for number in range(120)]
    for message in messages[::2]:
        ledger.cancel(message.message_id)
    rows = [ended(message) for message in messages]
    assert {row.status for row in rows[1::2]} == {"completed"}
    assert {row.status for row in rows[::2]} <= {"completed", "cancelled"}


def test_the_exception_does_not_land_in_code_that_must_not_be_cut() -> None:
    import logging
    import sys

    frames: list[Any] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            frames.append(sys._getframe())

    logger = logging.Logger("own")
    logger.addHandler(Handler())

    def work() -> None:
        frames.append(sys._getframe())
        logger.warning("line")

    cancellation.Cancellation().run(work, (), {})
    in_work, in_handler = frames
    assert cancellation.may_land(in_work)
    assert not cancellation.may_land(in_handler)
    assert not cancellation.may_land(sys._getframe()), "no actor's function is around it"


def test_a_late_exception_is_caught_at_the_end_of_the_window(monkeypatch) -> None:
    one = cancellation.Cancellation()
    closings = 0
    close = cancellation.Cancellation.close

    def late(self: cancellation.Cancellation) -> None:
        """Set the exception in the instant in which the function has returned."""
        nonlocal closings
        closings += 1
        if closings == 1:
            raise_thread_exception(threading.get_ident(), Cancelled)
        close(self)

    monkeypatch.setattr(cancellation.Cancellation, "close", late)
    assert one.run(lambda: "done", (), {}) == "done"
    assert (one.is_open, closings) == (False, 2)
