"""The writer: one thread a process through which all that its tasks report reaches the database.

What gathers within a few milliseconds is one transaction (group commit); only then the messages are acked, in
one round trip. Worker threads never wait for the database: they append to a queue and go on.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError

from apps.tasks import ledger, states
from apps.tasks.outcome import Outcome, Settled
from workers.attempt import Attempt
from workers.broken_connection import close_broken
from workers.surplus import LOOK_SECONDS
from workers.unreachable import UNREACHABLE

if TYPE_CHECKING:
    from workers.broker import LedgerBroker
    from workers.surplus import Surplus

logger = logging.getLogger(__name__)

#: How long outcomes gather before they are written.
GATHER_SECONDS = 0.003
#: How many outcomes are written at once.
BATCH_LIMIT = 500
#: How old a report may be when it is written.
REPORT_SECONDS = 0.1
#: How long the writer sleeps where nothing is held, unless it is woken.
REST_SECONDS = 1.0
#: How long the writer waits after the database or Redis failed.
PAUSE_SECONDS = 0.5
#: How soon an outcome is tried again whose row somebody else has locked.
DEFERRED_SECONDS = 0.05


class Writer(threading.Thread):
    """Writes outcomes and reports of this process.

    Parameters:
      held: The attempts that this process holds, by wire id; their progress is looked up here.
      surplus: What waits behind long tasks; it is given back between batches.
      on_written: Called with the attempts whose outcomes are in the database.
    """

    def __init__(
        self,
        broker: "LedgerBroker",
        *,
        broker_id: str,
        held: Mapping[str, Attempt],
        surplus: "Surplus",
        on_written: Callable[[list[Attempt]], None],
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self.broker = broker
        self.broker_id = broker_id
        self.held = held
        self.surplus = surplus
        self.on_written = on_written
        #: Attempts with their outcomes; pairs of queue and wire id to be acked; None to wake the thread.
        self._inbox: SimpleQueue[Attempt | tuple[str, str] | None] = SimpleQueue()
        self._reports_due = 0.0
        self._unacked: list[tuple[str, str]] = []
        self._closing = False
        #: It waits, for long if nothing was held.
        self._resting = False

    # --- For worker and consumer threads ---

    def end(self, attempt: Attempt) -> None:
        """Take an attempt that has its outcome."""
        self._inbox.put(attempt)

    def ack(self, queue_name: str, wire_id: str) -> None:
        """Ack a message that needs no outcome, with the next batch."""
        self._inbox.put((queue_name, wire_id))

    def wake(self) -> None:
        """Something is held now: soon it will have to be told how far it is."""
        if self._resting:
            self._resting = False
            self._inbox.put(None)

    @property
    def unacked(self) -> list[tuple[str, str]]:
        """Pairs of queue and wire id that are to be acked."""
        return list(self._unacked)

    def close(self, *, timeout_seconds: float) -> None:
        """Write what was taken and stop."""
        self._closing = True
        self._inbox.put(None)
        self.join(timeout_seconds)

    # --- The thread ---

    def run(self) -> None:
        pending: list[Attempt] = []
        deferred: list[Attempt] = []
        while True:
            self._gather(pending)
            try:
                self._write_reports()
                while pending:
                    batch, pending = pending[:BATCH_LIMIT], pending[BATCH_LIMIT:]
                    try:
                        deferred += self._write(batch)
                    except BaseException:
                        pending = batch + pending
                        raise
                was_deferred = bool(deferred)
                # Before the acks, which wait for Redis.
                pending, deferred = deferred, []
                self._ack_written()
                self.surplus.give_back()
                if was_deferred:
                    time.sleep(DEFERRED_SECONDS)
            except (DatabaseError, InterfaceError) as error:
                logger.error("the database does not answer, outcomes wait count=%d error=%s", len(pending), error)
                self._pause()
            except UNREACHABLE as error:
                logger.error("redis does not answer, acks wait count=%d error=%s", len(self._unacked), error)
                self._pause()
            except Exception:
                logger.exception("the writer failed, outcomes wait count=%d", len(pending))
                self._pause()
            if self._closing and not pending and not deferred and self._inbox.empty():
                break
        close_broken()

    def _pause(self) -> None:
        close_broken()
        time.sleep(PAUSE_SECONDS)

    def _gather(self, pending: list[Attempt]) -> None:
        """Wait for something to write; then take what comes within `GATHER_SECONDS`."""
        # Before the look at what is held: who holds something now either is seen, or sees this.
        self._resting, is_idle = True, False
        if pending or self._closing:
            patience = 0.0
        elif self.held or self._unacked:
            patience = max(self._reports_due - time.monotonic(), 0.01)
            if self.surplus.is_possible:
                patience = LOOK_SECONDS
        else:
            patience, is_idle = REST_SECONDS, True
        deadline = time.monotonic() + patience
        while len(pending) < BATCH_LIMIT:
            remaining = deadline - time.monotonic()
            try:
                item = self._inbox.get(timeout=remaining) if remaining > 0 else self._inbox.get_nowait()
            except Empty:
                return
            finally:
                self._resting = False
            deadline = min(deadline, time.monotonic() + GATHER_SECONDS)
            if is_idle:
                # What begins now is told of in a moment: most is done by then.
                is_idle = False
                self._reports_due = time.monotonic() + REPORT_SECONDS
            if isinstance(item, Attempt):
                # Twice, where its thread died just after it was passed on.
                if not item.taken:
                    item.taken = True
                    pending.append(item)
            elif item is not None:
                self._unacked.append(item)

    def _write_reports(self) -> None:
        if not self.held or time.monotonic() < self._reports_due:
            return
        self._reports_due = time.monotonic() + REPORT_SECONDS
        news = [attempt for attempt in list(self.held.values()) if attempt.has_news and attempt.outcome is None]
        if news:
            busy = ledger.report([attempt.report() for attempt in news])
            for attempt in news:
                attempt.reporter.has_news |= attempt.claim.task_id in busy

    def _write(self, batch: list[Attempt]) -> list[Attempt]:
        """Write a batch. Returns the attempts whose rows somebody else has locked; they are tried again."""
        unwritten = [attempt for attempt in batch if not attempt.written]
        outcomes = [attempt.outcome for attempt in unwritten if attempt.outcome is not None]
        deferred = []
        for attempt, outcome, settled in zip(unwritten, outcomes, self._finish(outcomes), strict=True):
            attempt.written = not settled.deferred
            if settled.deferred:
                deferred.append(attempt)
            elif settled.took:
                self.broker.publish_on_commit(settled.sends)
            else:
                logger.warning(
                    "a stale outcome was refused id=%s attempt=%d move=%s",
                    outcome.claim.task_id, outcome.claim.attempt, outcome.move.name,
                )  # fmt: skip
        written = [attempt for attempt in batch if attempt.written]
        self._unacked += [(attempt.message.queue_name, attempt.wire_id) for attempt in written]
        self.on_written(written)
        return deferred

    def _finish(self, outcomes: list[Outcome]) -> list[Settled]:
        """Write a batch; where its data are refused, find the outcome that is to blame and fail that one alone."""
        if not outcomes:
            return []
        try:
            return ledger.finish(outcomes)
        except Exception as error:
            if not _is_to_blame(error):
                raise
            if len(outcomes) > 1:
                middle = len(outcomes) // 2
                return self._finish(outcomes[:middle]) + self._finish(outcomes[middle:])
            logger.exception("an outcome cannot be stored id=%s", outcomes[0].claim.task_id)
            return ledger.finish([_unstorable(outcomes[0], error)])

    def _ack_written(self) -> None:
        if self._unacked:
            acks, self._unacked = self._unacked, []
            try:
                self.broker.wire.ack(self.broker_id, acks)
            except BaseException:
                self._unacked += acks
                raise


def _is_to_blame(error: Exception) -> bool:
    """Whether what is to be written is at fault, and not the database that is away or has other tables just now."""
    if isinstance(error, DataError | IntegrityError):
        return True
    if isinstance(error, DatabaseError | InterfaceError):
        # PostgreSQL's class 54: too deep, too long, too many. Django tells these like a lost connection.
        return str(getattr(error.__cause__, "sqlstate", "") or "").startswith("54")
    return True


def _unstorable(outcome: Outcome, error: Exception) -> Outcome:
    return replace(
        outcome,
        move=states.FAIL,
        result=None,
        error_message=f"Its outcome could not be stored: {type(error).__name__}.",
        traceback="",
        text="",
        sends=(),
        group_sends=(),
    )
