"""Outcomes that are hard to read or to write: each ends its own task, and no other task waits for it."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import dramatiq
import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from dramatiq import Middleware
from dramatiq.middleware import MiddlewareError, Shutdown

from apps.tasks import progress
from apps.tasks.errors import BadArgumentsError
from apps.tasks.models import TaskAttempt, TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from workers.middleware.ending import Ending
from workers.process import reconciler
from workers.process.consumer import LedgerConsumer
from workers.process.failure import TRACEBACK_LIMIT
from workers.process.writer import is_data_error

pytestmark = [pytest.mark.django_db(transaction=True)]


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("it has no text")


def test_an_error_without_a_text_fails_its_task_once(declare, working, ended) -> None:
    def unprintable() -> None:
        raise UnprintableError

    row = ended(declare(unprintable, max_retries=0).send())
    assert (row.status, row.attempt, row.error_message) == ("failed", 0, "UnprintableError")


def test_a_result_too_deep_for_json_fails_its_task_once(declare, working, ended) -> None:
    def deep() -> list[Any]:
        value: list[Any] = []
        for _ in range(100_000):
            value = [value]
        return value

    message, neighbour = declare(deep).send(), tasks.add.send(1, 2)
    row = ended(message)
    assert (row.status, row.attempt) == ("failed", 0)
    assert "cannot be stored as JSON" in row.error_message
    assert ended(neighbour).result == 3


def test_a_retry_beyond_the_end_of_dates_does_not_delay_its_neighbours(declare, working, ended, wait_until) -> None:
    def much_later() -> None:
        raise dramatiq.errors.Retry("much later", delay=10**17)

    message = declare(much_later, max_retries=1).send()
    wait_until(lambda: TaskAttempt.objects.filter(outcome="retry").exists())
    assert ended(tasks.add.send(1, 2)).result == 3
    assert TaskStatus.objects.get(task_id=message.message_id).status == "pending"


@pytest.mark.parametrize(
    ("delay", "is_late"),
    [
        (float("nan"), False),
        (float("inf"), False),
        ("soon", False),
        ([1], False),
        (-(10**400), False),
        (1.5, False),
        (Decimal(5), False),
        (timedelta(milliseconds=5), False),
        (timedelta(days=1), True),
    ],
    ids=str,
)
def test_a_retry_after_no_number_of_milliseconds_comes_nevertheless(
    declare, working, ended, wait_until, delay, is_late
) -> None:
    def again() -> str:
        if not TaskAttempt.objects.exists():
            raise dramatiq.errors.Retry("not yet", delay=delay)
        return "done"

    message = declare(again, max_retries=1, min_backoff=10, max_backoff=20).send()
    if is_late:
        row = wait_until(lambda: TaskStatus.objects.filter(retries=1).first())
        assert timedelta(hours=23) < row.run_at - timezone.now() <= timedelta(days=1)
    else:
        assert ended(message).result == "done"
    assert TaskAttempt.objects.get().error_message == "not yet"


@pytest.mark.parametrize(
    ("error", "is_expected"),
    [(OverflowError(), True), (RecursionError(), True), (OperationalError("the server closed the connection"), False)],
)
def test_a_bad_outcome_is_distinguished_from_a_database_that_is_away(error, is_expected) -> None:
    assert is_data_error(error) is is_expected


def test_a_value_that_postgresql_finds_too_deep_is_a_data_error() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite raises another error")
    with pytest.raises(OperationalError) as caught, connection.cursor() as cursor:
        cursor.execute("SELECT (repeat('[', 1000000))::jsonb")
    assert is_data_error(caught.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_outcome_is_written_although_its_thread_died_before_the_writer_had_it(working, ended, monkeypatch) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.1)
    deaths: list[str] = []

    def dies(self: LedgerConsumer, message: Any) -> None:
        if not deaths:
            deaths.append(message.message_id)
            raise Shutdown
        self.writer.end(message.attempt)

    monkeypatch.setattr(LedgerConsumer, "ack", dies)
    row = ended(tasks.add.send(1, 2))
    assert (row.status, row.result, row.attempt) == ("completed", 3, 0)
    assert deaths == [row.task_id]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_outcome_that_the_writer_gets_twice_is_written_once(working, broker, ended, monkeypatch, wait_until) -> None:
    end = type(broker.runtime.writer).end

    def twice(self: Any, attempt: Any) -> None:
        end(self, attempt)
        end(self, attempt)

    monkeypatch.setattr(type(broker.runtime.writer), "end", twice)
    assert [ended(tasks.add.send(n, n)).result for n in range(3)] == [0, 2, 4]
    wait_until(lambda: broker.runtime.holdings.prefetch.held == 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_task_whose_thread_died_before_it_started_is_released(working, ended, monkeypatch) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.1)
    deaths: list[str] = []
    process = type(working.workers[0]).process_message

    def dies(self: Any, message: Any) -> None:
        if not deaths:
            deaths.append(message.message_id)
            raise Shutdown
        process(self, message)

    monkeypatch.setattr(type(working.workers[0]), "process_message", dies)
    row = ended(tasks.add.send(1, 2))
    assert (row.status, row.result, row.attempt, row.crashes) == ("completed", 3, 1, 0)


def test_a_send_from_an_on_commit_hook_of_a_transactional_actor_is_sent(declare, working, ended, wait_until) -> None:
    def with_hook() -> None:
        transaction.on_commit(lambda: tasks.effect.send("from the hook"))

    assert ended(declare(with_hook, transactional=True).send()).status == "completed"
    wait_until(lambda: Effect.objects.filter(nonce="from the hook").exists())


def test_a_transactional_actor_may_call_itself(declare, working, ended) -> None:
    def countdown(number: int) -> list[int]:
        return [number, *(actor(number - 1) if number else [])]

    actor = declare(countdown, transactional=True, max_retries=0)
    row = ended(actor.send(3))
    assert (row.status, row.result) == ("completed", [3, 2, 1, 0])


def test_a_transactional_actor_waits_for_a_lock_on_its_row(declare, working, ended, wait_until) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no row locks")
    go, done = threading.Event(), threading.Event()

    def waits() -> None:
        go.wait(60)
        done.set()

    message = declare(waits, transactional=True, max_retries=0).send()
    wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).exists())
    with transaction.atomic():
        TaskStatus.objects.select_for_update().get(task_id=message.message_id)
        go.set()
        assert done.wait(60)
        wait_until(is_a_lock_awaited)
    assert ended(message).status == "completed"


def is_a_lock_awaited() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_progress_beyond_all_numbers_does_not_fail_the_task(declare, working, ended) -> None:
    def far() -> str:
        progress.set(10**400, "far")
        return "done"

    assert ended(declare(far, max_retries=0).send()).result == "done"


def test_many_sends_are_recorded_all_or_none(broker) -> None:
    refused = tasks.add.message_with_options(args=(1, 2)).copy(message_id=None)
    with pytest.raises(BadArgumentsError):
        broker.send_many([tasks.add.message(1, 2), refused])
    assert not TaskStatus.objects.exists()


#: Place of a syntax error as a parser may tell it: the column is a text.
BAD_PLACE: Any = ("book.md", 3, "7", "# x")


def raising(error: Callable[[], BaseException]) -> Callable[[], None]:
    def raises() -> None:
        raise error()

    return raises


class SlowError(Exception):
    def __str__(self) -> str:
        threading.Event().wait(0.2)
        return "slow"


class DyingError(Exception):
    def __del__(self) -> None:
        raise SystemExit("from __del__")


class ExitingError(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("error", "error_type", "message"),
    [
        (lambda: SystemExit("stop"), "SystemExit", "stop"),
        (lambda: KeyboardInterrupt(), "KeyboardInterrupt", "KeyboardInterrupt"),
        (lambda: GeneratorExit(), "GeneratorExit", "GeneratorExit"),
        (lambda: asyncio.CancelledError(), "asyncio.exceptions.CancelledError", "CancelledError"),
        (lambda: StopIteration(1), "StopIteration", "1"),
        (lambda: KeyError("isbn"), "KeyError", "'isbn'"),
        (lambda: SyntaxError("bad", BAD_PLACE), "SyntaxError", "bad (book.md, line 3)"),
        (lambda: ValueError("x" * 20_000_000), "ValueError", "x" * 9_999 + "…"),
        (lambda: SlowError(), f"{__name__}.SlowError", "slow"),
        (lambda: DyingError("gone"), f"{__name__}.DyingError", "gone"),
        (lambda: ExitingError(), f"{__name__}.ExitingError", "ExitingError"),
        (lambda: ExceptionGroup("both", [ValueError("a"), ExitingError()]), "ExceptionGroup", None),
    ],
)
@pytest.mark.parametrize("transactional", [False, True], ids=["plain", "transactional"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_any_exception_is_retried_and_then_fails_its_task(
    declare, working, ended, error, error_type, message, transactional
) -> None:
    actor = declare(raising(error), max_retries=1, min_backoff=10, max_backoff=10, transactional=transactional)
    row = ended(actor.send())
    assert (row.status, row.attempt, row.retries, row.error_type) == ("failed", 1, 1, error_type)
    assert message is None or row.error_message == message
    assert "in raises" in row.traceback
    assert len(row.traceback) <= TRACEBACK_LIMIT
    kept = list(TaskAttempt.objects.values_list("attempt", "error_type", "cause"))
    assert kept == [(0, error_type, row.cause), (1, error_type, row.cause)]
    assert len(row.cause) == 16


def test_an_async_actor_that_raises_an_odd_exception_fails(declare, working, ended) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    row = ended(declare(cancelled, max_retries=0).send())
    assert (row.status, row.attempt) == ("failed", 0)
    assert row.error_type.endswith("CancelledError")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_end_that_no_hook_sees_is_counted_and_told(declare, working, ended, monkeypatch, caplog) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.1)
    # Dramatiq asks `isinstance(exception, throws)` before any hook, in its worker thread.
    actor = declare(raising(lambda: ValueError("boom")), max_retries=99)
    row = ended(working.broker.enqueue(actor.message().copy(options={"throws": "ValueError"})))
    assert (row.status, row.retries, row.crashes) == ("failed", 2, 0)
    assert row.error_message == "It ran, but its end could not be recorded: ValueError: boom"
    assert list(TaskAttempt.objects.values_list("outcome", flat=True)) == ["retry", "retry", "fail"]
    assert "in raises" in row.traceback
    assert "end of a task was lost" in caplog.text
    assert ended(tasks.add.send(1, 2)).result == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_task_whose_thread_dies_each_time_fails(declare, working, ended, monkeypatch) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.1)

    def dies(self: LedgerConsumer, message: Any) -> None:
        message.attempt.outcome = None
        raise SystemExit

    monkeypatch.setattr(LedgerConsumer, "ack", dies)
    monkeypatch.setattr(LedgerConsumer, "nack", dies)
    row = ended(tasks.add.send(1, 2))
    assert (row.status, row.retries) == ("failed", 2)
    assert row.error_message == "It ran, but its end could not be recorded: its thread died"


class RefusesToAck(Middleware):
    """Raises the only error that Dramatiq lets through, before each ack."""

    def before_ack(self, broker: Any, message: Any) -> None:
        raise MiddlewareError("no ack")


def test_a_hook_cannot_keep_a_message_from_its_ack(working, broker, ended) -> None:
    broker.add_middleware(RefusesToAck(), before=Ending)
    try:
        assert ended(tasks.add.send(1, 2)).result == 3
    finally:
        broker.middleware[:] = [one for one in broker.middleware if not isinstance(one, RefusesToAck)]


class Refuses(Middleware):
    """Refuses each message before it runs, as Dramatiq allows."""

    def before_process_message(self, broker: Any, message: Any) -> None:
        message.fail()


def test_a_message_that_a_hook_refuses_fails_its_task(working, broker, ended) -> None:
    broker.add_middleware(Refuses(), before=Ending)
    try:
        row = ended(tasks.add.send(1, 2))
    finally:
        broker.middleware[:] = [one for one in broker.middleware if not isinstance(one, Refuses)]
    assert (row.status, row.error_message, row.error_type) == ("failed", "A middleware refused it.", "")
    assert row.cause


class HostileDict(dict[str, int]):
    def items(self) -> Any:
        raise SystemExit("no items")


def test_a_result_that_raises_fails_its_task(declare, working, ended) -> None:
    def hostile() -> Any:
        return HostileDict(a=1)

    row = ended(declare(hostile, max_retries=3).send())
    assert (row.status, row.attempt, row.error_type) == ("failed", 0, "SystemExit")
    assert row.error_message == "It ran, but its result cannot be stored as JSON: no items"
