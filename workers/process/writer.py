"""One thread a process through which everything that its tasks report reaches the database.

Outcomes that gather within a few milliseconds are one transaction (group commit). Their messages are acked after it,
in one round trip. Worker threads never wait for the database: they append to a queue and go on.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError

from apps.core.connections import close_broken, own
from apps.tasks import ledger, log_lines, states
from apps.tasks.failures import in_words
from apps.tasks.signals import outcomes_written
from apps.tasks.values import GROUP_KEY, Claim, Outcome, Settled
from workers.process.attempt import Attempt
from workers.process.failure import Failure
from workers.process.holdings import Holdings
from workers.process.rebalancer import LOOK_SECONDS, Rebalancer
from workers.sending.on_commit import publish_sends
from workers.wire.errors import UNREACHABLE
from workers.wire.message import words_of_row
from workers.wire.outage import Outage
from workers.wire.queue import WireQueue

logger = logging.getLogger(__name__)

#: Seconds in which outcomes gather before they are written.
GATHER_SECONDS = 0.003
#: Outcomes in one transaction, at most.
BATCH_LIMIT = 500
#: Seconds between two writes of the log lines of running tasks.
LINES_SECONDS = 0.5
#: Seconds between two writes of progress.
REPORT_SECONDS = 0.1
#: Seconds that the writer sleeps while the process holds nothing, unless it is woken.
REST_SECONDS = 1.0
#: Seconds that the writer waits after the database or Redis failed.
PAUSE_SECONDS = 0.5
#: Seconds before an outcome is tried again whose row another transaction has locked.
DEFERRED_SECONDS = 0.05


class Writer(threading.Thread):
    """Writes outcomes and progress of the attempts in `holdings`, and acks their messages.

    Between two batches it lets the rebalancer look at the tasks that wait.

    Parameters:
      settle_groups: Looks at the groups that wait for one of these tasks.
    """

    def __init__(
        self,
        holdings: Holdings,
        wire: WireQueue,
        rebalancer: Rebalancer,
        *,
        settle_groups: Callable[[list[str]], object] = lambda task_ids: None,
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self.holdings = holdings
        self.wire = wire
        self.rebalancer = rebalancer
        self.settle_groups = settle_groups
        #: Tasks of groups that have ended. The relay looks at a group as well, so they may be forgotten.
        self._of_groups: list[str] = []
        #: Cancelled tasks, whose children follow. The relay looks for them as well.
        self._cancelled: list[str] = []
        #: Ended claims whose retries are due at once. The audit finds those of a process that dies before it publishes.
        self._retried: list[Claim] = []
        #: Ended attempts; pairs of queue and wire id to ack; None to wake the thread.
        self._inbox: SimpleQueue[Attempt | tuple[str, str] | None] = SimpleQueue()
        #: End of the last turn that reached the database, by the monotonic clock.
        self.well_at = time.monotonic()
        self._reports_due = 0.0
        self._lines_due = 0.0
        #: The database takes no log lines.
        self._lines_outage = False
        self._unacked: list[tuple[str, str]] = []
        self._outage = Outage()
        self._closing = False
        #: Waits for the inbox, long if nothing is held.
        self._resting = False

    # --- For worker and consumer threads ---

    def end(self, attempt: Attempt) -> None:
        """Take an attempt that ended. The outcome of one without an outcome is that its end was lost."""
        attempt.lose()
        self.holdings.ran(attempt)
        self._inbox.put(attempt)

    def ack(self, queue_name: str, wire_id: str) -> None:
        """Ack a message that needs no outcome, with the next batch."""
        self._inbox.put((queue_name, wire_id))

    def wake(self) -> None:
        """Look at the holdings soon: an attempt was added whose progress will have to be written."""
        if self._resting:
            self._resting = False
            self._inbox.put(None)

    @property
    def unacked(self) -> list[tuple[str, str]]:
        """Pairs of queue and wire id that are to be acked."""
        return list(self._unacked)

    def close(self, *, timeout_seconds: float) -> None:
        """Write the outcomes that were taken and end the thread."""
        self._closing = True
        self._inbox.put(None)
        self.join(timeout_seconds)

    # --- The thread ---

    def run(self) -> None:
        own(repeats=True)
        pending: list[Attempt] = []
        deferred: list[Attempt] = []
        while True:
            try:
                self.gather(pending)
                self._write_reports()
                while pending:
                    batch, pending = pending[:BATCH_LIMIT], pending[BATCH_LIMIT:]
                    try:
                        deferred += self.write(batch)
                    except BaseException:
                        pending = batch + pending
                        raise
                    self._publish_retried()
                self._publish_retried()
                was_deferred = bool(deferred)
                # Before the acks, which wait for Redis.
                pending, deferred = deferred, []
                self._ack_written()
                self._outage.ends()
                self._settle_groups()
                self._cancel_children()
                self.rebalancer.rebalance(end=self.end)
                self.well_at = time.monotonic()
                if was_deferred:
                    time.sleep(DEFERRED_SECONDS)
            except (DatabaseError, InterfaceError) as error:
                logger.error("outcomes wait, database does not answer count=%d error=%s", len(pending), error)
                self._pause()
            except UNREACHABLE as error:
                self.well_at = time.monotonic()
                if self._outage.begins(error):
                    logger.error("acks wait, redis does not answer count=%d error=%s", len(self._unacked), error)
                self._pause()
            except BaseException:
                # The thread must go on: without it no outcome would be written.
                logger.exception("outcomes wait, writer failed count=%d", len(pending))
                self._pause()
            if self._closing and not pending and not deferred and self._inbox.empty():
                break
        close_broken()

    def _pause(self) -> None:
        close_broken()
        time.sleep(PAUSE_SECONDS)

    # --- Gathering: wait for the first item, then take what comes within GATHER_SECONDS ---

    def gather(self, pending: list[Attempt]) -> None:
        """Add ended attempts to `pending`."""
        # Before the look at the holdings: a consumer that adds to them is either seen, or sees this.
        self._resting = True
        is_idle = not (pending or self._closing or self.holdings.held or self._unacked)
        deadline = time.monotonic() + self._patience_seconds(pending, is_idle=is_idle)
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
                # The first report of a task that begins now can wait: most tasks are done by then.
                is_idle = False
                self._reports_due = time.monotonic() + REPORT_SECONDS
            self._sort_in(item, pending)

    def _patience_seconds(self, pending: list[Attempt], *, is_idle: bool) -> float:
        """Return the seconds to wait for the first item."""
        if pending or self._closing:
            return 0.0
        if is_idle:
            return REST_SECONDS
        if self.rebalancer.is_possible:
            return LOOK_SECONDS
        return max(self._reports_due - time.monotonic(), 0.01)

    def _sort_in(self, item: Attempt | tuple[str, str] | None, pending: list[Attempt]) -> None:
        if isinstance(item, Attempt):
            # An attempt comes twice if its thread died just after it passed the attempt on.
            if not item.taken:
                item.taken = True
                pending.append(item)
        elif item is not None:
            self._unacked.append(item)

    # --- Writing ---

    def _write_reports(self) -> None:
        if not self.holdings.held or time.monotonic() < self._reports_due:
            return
        self._reports_due = time.monotonic() + REPORT_SECONDS
        held = list(self.holdings.held.values())
        news = [attempt for attempt in held if attempt.has_news and attempt.outcome is None]
        if news:
            busy = ledger.report([attempt.report() for attempt in news])
            for attempt in news:
                attempt.reporter.has_news |= attempt.claim.task_id in busy
        if time.monotonic() >= self._lines_due:
            self._lines_due = time.monotonic() + LINES_SECONDS
            self._write_lines(attempt for attempt in held if attempt.outcome is None)

    def _write_lines(self, attempts: Iterable[Attempt]) -> None:
        """Write the log lines of attempts. An error does not keep their outcomes from being written."""
        news = [attempt for attempt in attempts if (log := attempt.reporter.log) is not None and log.has_news]
        parts = [
            (attempt.claim.row_id, attempt.claim.attempt, part)
            for attempt in news
            if (part := attempt.reporter.log.part()) is not None
        ]
        if not parts:
            return
        try:
            log_lines.write(parts)
        except Exception as error:
            close_broken()
            if not self._lines_outage:
                self._lines_outage = True
                logger.error("log lines of tasks cannot be written count=%d error=%s", len(parts), error)
            return
        self._lines_outage = False
        for attempt in news:
            attempt.reporter.log.note_written()

    def write(self, batch: list[Attempt]) -> list[Attempt]:
        """Write a batch. Return the attempts whose rows another transaction has locked: they are tried again."""
        self._write_lines(batch)
        unwritten = [attempt for attempt in batch if not attempt.written]
        outcomes = [attempt.outcome for attempt in unwritten if attempt.outcome is not None]
        deferred, stale = [], []
        for attempt, outcome, settled in zip(unwritten, outcomes, self._finish(outcomes), strict=True):
            attempt.written = not settled.deferred
            if settled.deferred:
                deferred.append(attempt)
            elif settled.took:
                publish_sends(settled.sends, self.wire)
                if settled.instead is not None:
                    outcome = attempt.outcome = outcome._replace(move=settled.instead)
                if outcome.move is states.CANCEL_CLAIMED:
                    self._cancelled.append(outcome.claim.task_id)
                elif outcome.move is states.RETRY and outcome.delay_ms <= 0 and outcome.line is None:
                    self._retried.append(outcome.claim)
            else:
                stale.append(attempt)
                logger.warning(
                    "stale outcome refused id=%s attempt=%d move=%s",
                    outcome.claim.task_id, outcome.claim.attempt, outcome.move.name,
                )  # fmt: skip
        written = [attempt for attempt in batch if attempt.written]
        self._unacked += [(attempt.message.queue_name, attempt.wire_id) for attempt in written]
        self._of_groups += [attempt.claim.task_id for attempt in written if GROUP_KEY in attempt.message.options]
        self.holdings.done += sum(attempt.started is not None for attempt in written)
        self.holdings.drop(written)
        if outcomes_written.receivers and (took := [one.outcome for one in written if one not in stale]):
            outcomes_written.send_robust(type(self), outcomes=took, may_block=not self.is_alive())
        # Each has a place of its limit free now.
        if limited := [attempt for attempt in written if attempt.line is not None]:
            lines = [(attempt.message.actor_name, attempt.line or "") for attempt in limited]
            self.wire.tell_lines(dict.fromkeys(lines))
        return deferred

    def _publish_retried(self) -> None:
        """Publish the retries that are due at once. If the database does not answer, the next turn does it."""
        if self._retried:
            rows = ledger.due_again(self._retried)
            self._retried = []
            self.wire.publish_packed([self.wire.pack(words_of_row(row)) for row in rows])

    def _finish(self, outcomes: list[Outcome]) -> list[Settled]:
        """Write a batch. If the database refuses its data, find the outcome that is to blame and fail that one."""
        if not outcomes:
            return []
        try:
            return ledger.finish(outcomes)
        except Exception as error:
            if not is_data_error(error):
                raise
            if len(outcomes) > 1:
                middle = len(outcomes) // 2
                return self._finish(outcomes[:middle]) + self._finish(outcomes[middle:])
            # Without the rest of the database's words, which may quote the row.
            logger.error("outcome cannot be stored id=%s error=%s", outcomes[0].claim.task_id, in_words(*_named(error)))
            return self._finish_reduced(outcomes[0], error)

    def _finish_reduced(self, outcome: Outcome, error: Exception) -> list[Settled]:
        """Write an outcome that the database refused: without what follows it, else without all that it has."""
        if outcome.sends:
            reduced = _without_follow_ups(outcome, error)
            try:
                return [one._replace(instead=one.instead or reduced.move) for one in ledger.finish([reduced])]
            except Exception as again:
                if not is_data_error(again):
                    raise
        return [one._replace(instead=states.FAIL) for one in ledger.finish([_bare(outcome, error)])]

    def _settle_groups(self) -> None:
        if self._of_groups:
            task_ids, self._of_groups = self._of_groups, []
            self.settle_groups(task_ids)

    def _cancel_children(self) -> None:
        if self._cancelled:
            task_ids, self._cancelled = self._cancelled, []
            ledger.cancel_children(task_ids)

    def _ack_written(self) -> None:
        if self._unacked:
            acks, self._unacked = self._unacked, []
            try:
                self.wire.ack(self.holdings.broker_id, acks)
            except BaseException:
                self._unacked += acks
                raise


def is_data_error(error: Exception) -> bool:
    """Return whether the data are at fault, and not a database that is away or has other tables just now."""
    if isinstance(error, DataError | IntegrityError):
        return True
    if isinstance(error, DatabaseError | InterfaceError):
        # PostgreSQL's class 54: too deep, too long, too many. Django reports these like a lost connection.
        return str(getattr(error.__cause__, "sqlstate", "") or "").startswith("54")
    return True


def _named(error: Exception) -> tuple[str, str]:
    """Return the dotted name of a database error, and the first line of its text."""
    failure = Failure.of(error)
    return failure.error_type, failure.error_message.partition("\n")[0][:200]


def _without_follow_ups(outcome: Outcome, error: Exception) -> Outcome:
    """Return the outcome without its sends. Its message names them, and a completed task fails: it can be retried."""
    names = ", ".join(sorted({send.task_name[:100] for send in outcome.sends}))
    told = f"What follows it ({names}) could not be stored: {in_words(*_named(error))}"
    is_complete = outcome.move is states.COMPLETE
    return _told(
        outcome._replace(move=states.FAIL if is_complete else outcome.move),
        error,
        f"It ran. {told}" if is_complete else f"{outcome.error_message}\n{told}",
    )


def _bare(outcome: Outcome, error: Exception) -> Outcome:
    """Return a failure that any database can store."""
    bare = outcome._replace(move=states.FAIL, result=None, traceback="", text="", error_type="")
    return _told(bare, error, f"Its outcome could not be stored: {type(error).__name__}.")


def _told(outcome: Outcome, error: Exception, message: str) -> Outcome:
    error_type = outcome.error_type or _named(error)[0]
    return outcome._replace(sends=(), error_message=message, error_type=error_type)
