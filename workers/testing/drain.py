"""Run tasks in the thread of the test, one after the other, through the broker's own middleware."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, Never

import dramatiq
from django.db.models import DurationField, ExpressionWrapper, F
from dramatiq.broker import MessageProxy
from dramatiq.threading import Interrupt
from dramatiq.worker import WorkerThread

from apps.tasks import ledger, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import TaskStatus
from apps.tasks.values import Claim
from workers import group_callbacks
from workers.admission import Admissions
from workers.broker import LedgerBroker
from workers.process.attempt import Attempt, ClaimedMessage
from workers.process.dead_letter import why_unfit
from workers.process.holdings import Holdings
from workers.process.rebalancer import Rebalancer
from workers.process.withheld import withhold
from workers.process.work_queue import WorkQueue
from workers.process.writer import Writer
from workers.testing.clock import advance
from workers.testing.coroutines import in_this_thread
from workers.testing.errors import MisuseError
from workers.testing.hooks import check_at_top
from workers.testing.log import folded
from workers.testing.requests import noticed
from workers.testing.stage import Stage, kept_open
from workers.wire.message import from_held, from_row

#: Runs of one call, unless it says otherwise.
MOST_RUNS = 1_000

_thread = threading.local()


def run_due(*given: Never, raise_errors: bool = False, at_most: int = MOST_RUNS) -> list[TaskStatus]:
    """Run the tasks that are due, and what they send if that is due as well.

    A task that waits for its time, such as a retry, stays pending: move the clock with `advance`.

    Parameters:
      raise_errors: Raise the first exception with which an actor fails or is retried.
      at_most: Runs after which the call fails, since a task may send itself.

    Returns:
      The row of each run, in order, as it was after the run.

    Raises:
      MisuseError: A transaction is open that is not the test case's, a task or a worker runs in this process, a
        task cannot run, or there are more runs.
    """
    return _drain("run_due()", given, raise_errors=raise_errors, at_most=at_most, waits=False)


def run_tasks(*given: Never, raise_errors: bool = False, at_most: int = MOST_RUNS) -> list[TaskStatus]:
    """Run all tasks to their end: retries and delayed ones, too. The clock moves from one to the next.

    Parameters, Returns, Raises: As `run_due`.
    """
    return _drain("run_tasks()", given, raise_errors=raise_errors, at_most=at_most, waits=True)


def is_draining() -> bool:
    """Return whether this thread runs tasks for a test."""
    return getattr(_thread, "is_draining", False)


def _drain(name: str, given: tuple[Never, ...], *, raise_errors: bool, at_most: int, waits: bool) -> list[TaskStatus]:
    if given:
        raise MisuseError(
            f"{name} takes no {given[0]!r}: it runs all tasks that are due. perform(actor, ...) runs one actor alone, "
            "and assert_sent(actor) returns the row of one task."
        )
    broker = dramatiq.get_broker()
    assert isinstance(broker, LedgerBroker)
    if is_draining() or Attempt.current() is not None:
        raise MisuseError(f"{name} was called by a task. The call that runs the task runs what it sends, too.")
    check_at_top(name)
    if broker.runtime is not None:
        raise MisuseError(f"{name} was called while a worker runs in this process, which takes the tasks: wait for it.")
    found: list[TaskStatus] = []
    with _draining(), in_this_thread(), kept_open(), folded():
        drain = Drain(broker)
        while drain.run_next(raise_errors=raise_errors, found=found) or (waits and drain.wait()):
            if len(found) >= at_most and drain.next_row() is not None:
                raise MisuseError(
                    f"{name} has run {at_most:,} times and {found[-1].task_name} was the last. If no task sends itself "
                    "again and again, set at_most."
                )
    return found


@contextmanager
def _draining() -> Iterator[None]:
    _thread.is_draining = True
    try:
        yield
    finally:
        _thread.is_draining = False


class Drain:
    """A worker without threads and without Redis. It claims, runs and writes one task at a time."""

    def __init__(self, broker: LedgerBroker) -> None:
        self.broker = broker
        self.holdings = Holdings(uuid.uuid4(), threads=1, may_start=lambda: True)
        self.holdings.paused.look()
        wire: Any = Unplugged()
        nothing_in_place: Any = SimpleNamespace(waiting=())
        rebalancer = Rebalancer(self.holdings, wire, WorkQueue(), nothing_in_place)
        self.writer = Writer(self.holdings, wire, rebalancer)
        self.stage = Stage(broker)
        withhold()
        self.admissions = Admissions(wire, actors=broker.actors, publish=len)
        #: Attempts that cannot be claimed, by key of their row.
        self.refused: dict[int, int] = {}
        self.thread = WorkerThread(
            broker=self.stage,  # type: ignore[arg-type]
            consumers=_Ends(self),  # type: ignore[arg-type]
            work_queue=SimpleNamespace(task_done=lambda: None),  # type: ignore[arg-type]
            worker_timeout=0,
        )

    # --- Which task is next ---

    def next_row(self) -> TaskStatus | None:
        """Return the next row that a worker would get. Groups, cancelled parents and limits have their turn before."""
        return self._first() or (self._look_around() and self._first()) or None

    def _first(self) -> TaskStatus | None:
        due = TaskStatus.objects.due().filter(delayed=False, in_line=False).order_by("priority", "pk")
        if paused := self.holdings.paused:
            due = due.exclude(queue_name__in=paused.queues).exclude(task_name__in=paused.actors)
        return next((row for row in due[: len(self.refused) + 1] if self.refused.get(row.pk) != row.attempt), None)

    def _look_around(self) -> bool:
        """Do what a relay does. Return whether it did anything."""
        ledger.cancel_children()
        ledger.expire_waiting()
        done = group_callbacks.settle(self.broker) + len(ledger.take_due(limit=MOST_RUNS))
        if TaskStatus.objects.in_line().exists():
            done += self.admissions.look_at_all()
        return bool(done)

    def wait(self) -> bool:
        """Move the clock to the start of the next task. Return whether there is one."""
        left = ExpressionWrapper(F("run_at") - ClockTimestamp(), output_field=DurationField())
        waiting = TaskStatus.objects.filter(status=states.PENDING, delayed=True)
        span = waiting.order_by("run_at").values_list(left, flat=True).first()
        if span is None:
            return False
        # At least: two looks at the clock of a busy machine are apart.
        advance(max(span, timedelta()) + timedelta(milliseconds=1))
        return True

    # --- One run ---

    def run_next(self, *, raise_errors: bool, found: list[TaskStatus]) -> bool:
        """Run the next task and add its row. Return whether there was one. Raises: As `run_due`."""
        row = self.next_row()
        if row is None:
            return False
        if reason := why_unfit(from_row(row), self.broker.actors):
            raise MisuseError(f"{row.task_name} cannot run: {reason}")
        attempt = self._claim(row)
        if attempt is None:
            self.refused[row.pk] = row.attempt
            return True
        raised = self._run(attempt)
        row.refresh_from_db()
        found.append(row)
        is_failure = attempt.outcome is not None and attempt.outcome.move in (states.FAIL, states.RETRY)
        if raised is not None and (_ends_the_test(raised) or (raise_errors and is_failure)):
            raise raised
        return True

    def _claim(self, row: TaskStatus) -> Attempt | None:
        """Claim a row. None: it has expired or was cancelled, and its row says so now."""
        claim_id, worker_id = uuid.uuid4(), self.holdings.worker_id
        held, _ = ledger.claim([(row.task_id, row.attempt)], claim_id=claim_id, worker_id=worker_id)
        for one in held:
            claim = Claim(row.task_id, row.pk, row.attempt, claim_id, worker_id)
            attempt = Attempt(from_held(one, row.attempt), claim, owner_id=one.owner_id, line=one.line)
            # An isolated actor runs here, as it does in its child process.
            attempt.is_in_child = True
            self.holdings.hold([attempt])
            return attempt
        return None

    def _run(self, attempt: Attempt) -> BaseException | None:
        """Run an attempt and write its outcome. Return what its actor raised."""
        self.stage.raised = None
        with noticed(attempt):
            self.thread.process_message(ClaimedMessage(attempt))
        return self.stage.raised

    def end(self, message: MessageProxy) -> None:
        """Write the outcome of a message."""
        assert isinstance(message, ClaimedMessage)
        signal = "nack" if message.failed else "ack"
        self.broker.emit_before(signal, message)
        message.attempt.lose(message.exception)
        if self.writer.write([message.attempt]):
            raise MisuseError(f"The row of {message.actor_name} is locked by another connection of the test.")
        self.broker.emit_after(signal, message)


class _Ends:
    """Consumers of all queues, as Dramatiq's worker thread knows them."""

    def __init__(self, drain: Drain) -> None:
        self.consumer = SimpleNamespace(post_process_message=partial(drain.end))

    def __getitem__(self, queue_name: str) -> Any:
        return self.consumer


class Unplugged:
    """A wire that leads nowhere. The drain finds tasks by their rows."""

    def pack(self, words: Any) -> Any:
        return words

    def publish_packed(self, packed: Any) -> bool:
        return True

    def tell_lines(self, lines: Any) -> None:
        pass


def _ends_the_test(raised: BaseException) -> bool:
    """Return whether an exception is for the test runner: Ctrl-C, or pytest's own."""
    return not isinstance(raised, Exception | Interrupt | SystemExit)
