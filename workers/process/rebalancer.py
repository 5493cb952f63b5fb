"""Requeue claimed tasks that have not started: those of a paused queue, and all while every place has a long task."""

import time
from collections import defaultdict
from collections.abc import Callable

from dramatiq.common import iter_queue

from workers.process.attempt import Attempt, ClaimedMessage
from workers.process.coroutines import Coroutines
from workers.process.holdings import Holdings
from workers.process.work_queue import WorkQueue
from workers.wire.message import for_attempt
from workers.wire.queue import WireQueue

#: Seconds between two looks at the threads while tasks wait for one.
LOOK_SECONDS = 0.01


class Rebalancer:
    """Moves waiting tasks to where other processes can take them.

    Parameters:
      work_queue: The worker's queue, from which its threads take messages.
      coroutines: The tasks that run in place.
    """

    def __init__(self, holdings: Holdings, wire: WireQueue, work_queue: WorkQueue, coroutines: Coroutines) -> None:
        self.holdings = holdings
        self.wire = wire
        self.work_queue = work_queue
        self.coroutines = coroutines
        self._look_at = 0.0
        #: Taken off the worker's queue, so that no thread starts them, and not released yet.
        self._leaving: list[Attempt] = []

    @property
    def is_possible(self) -> bool:
        """Whether a task waits for a thread, so that a look is worth while."""
        return bool(self._leaving or self.coroutines.waiting) or not self.work_queue.empty()

    def rebalance(self, *, end: Callable[[Attempt], None]) -> None:
        """Release and requeue waiting tasks if no thread will be free soon, and paused ones in any case.

        Often called, and mostly without effect.

        Parameters:
          end: Called with each attempt whose release did not take, since its row is locked or has changed. The writer
            then settles it like any other.

        Raises: Errors of the database and of Redis. Nothing is lost: the next call or the reconciler goes on.
        """
        from apps.tasks import ledger

        if not self._leaving and not self._is_due():
            return
        if not self._leaving:
            self._leaving = self._take_waiting()
        if not self._leaving:
            return
        taken = ledger.release_unstarted([attempt.claim for attempt in self._leaving])
        leaving, self._leaving = self._leaving, []
        by_queue: defaultdict[str, list[Attempt]] = defaultdict(list)
        for attempt in leaving:
            if attempt.claim.task_id in taken:
                by_queue[attempt.message.queue_name].append(attempt)
            else:
                attempt.taken = False
                end(attempt)
        self.holdings.drop([attempt for attempts in by_queue.values() for attempt in attempts])
        for queue_name, attempts in by_queue.items():
            messages = {
                attempt.wire_id: for_attempt(attempt.message, attempt.claim.attempt + 1) for attempt in attempts
            }
            self.wire.requeue_as(queue_name, self.holdings.broker_id, messages)

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now < self._look_at or not self.is_possible:
            return False
        self._look_at = now + LOOK_SECONDS
        return self._is_stuck() or self._is_loop_stuck() or self._has_paused()

    def _is_stuck(self) -> bool:
        return self.holdings.long_running() >= self.holdings.threads

    def _is_loop_stuck(self) -> bool:
        return bool(self.coroutines.waiting) and self.holdings.is_loop_full()

    def _has_paused(self) -> bool:
        if not self.holdings.paused:
            return False
        return any(self.holdings.paused.holds(item.message) for item in self.work_queue.waiting)

    def _take_waiting(self) -> list[Attempt]:
        """Take the messages that must leave off the worker's queue, in order. No thread gets them then."""
        attempts, is_stuck = [], self._is_stuck()
        for item in list(iter_queue(self.work_queue)):
            assert isinstance(item.message, ClaimedMessage)
            attempt = item.message.attempt
            if not is_stuck and not self.holdings.paused.holds(item.message):
                self.work_queue.put(item)
                self.work_queue.task_done()
                continue
            # An attempt that the reconciler took for forgotten has an outcome. The writer releases it, once.
            if not attempt.taken:
                # Otherwise the reconciler would take it for the task of a dead thread.
                attempt.taken = True
                attempts.append(attempt)
            self.work_queue.task_done()
        if self._is_loop_stuck():
            for message in self.coroutines.take_back():
                if not message.attempt.taken:
                    message.attempt.taken = True
                    attempts.append(message.attempt)
        return attempts
