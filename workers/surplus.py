"""What a process claimed for threads that turned out to be busy for long: it goes back to where others can take it."""

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from dramatiq.common import iter_queue

from workers import wire
from workers.attempt import Attempt, ClaimedMessage

if TYPE_CHECKING:
    from workers.runtime import Runtime

#: How often it is looked whether all threads are busy, while tasks wait for one.
LOOK_SECONDS = 0.01


class Surplus:
    """Gives back what waits in this process while each of its threads runs a long task."""

    def __init__(self, runtime: "Runtime") -> None:
        self.runtime = runtime
        self._look_at = 0.0
        #: Taken off the worker's queue, so that no thread starts it, and not given back yet.
        self._leaving: list[Attempt] = []

    @property
    def is_possible(self) -> bool:
        """Whether something waits for a thread, so that a look is worth while."""
        return bool(self._leaving) or not self.runtime.worker.work_queue.empty()

    def give_back(self) -> None:
        """Give back what waits, if no thread will be free soon. Called often; mostly there is nothing to do.

        Raises: What the database or Redis raise. Nothing is lost then: the next call goes on, or the sweep does.
        """
        from apps.tasks import ledger

        if not self._leaving and not self._is_stuck():
            return
        runtime = self.runtime
        self._leaving += self._taken_off()
        if not self._leaving:
            return
        taken = ledger.hand_back_unstarted([attempt.claim for attempt in self._leaving])
        leaving, self._leaving = self._leaving, []
        back: defaultdict[str, list[Attempt]] = defaultdict(list)
        for attempt in leaving:
            if attempt.claim.task_id in taken:
                back[attempt.message.queue_name].append(attempt)
            else:
                # Its row is locked, or somebody else's by now: as with any outcome, the writer finds out.
                attempt.taken = False
                runtime.end(attempt)
        runtime.release([attempt for attempts in back.values() for attempt in attempts])
        for queue_name, attempts in back.items():
            messages = {
                attempt.wire_id: wire.for_attempt(attempt.message, attempt.claim.attempt + 1) for attempt in attempts
            }
            runtime.broker.wire.replace(queue_name, runtime.broker_id, messages)

    def _is_stuck(self) -> bool:
        now = time.monotonic()
        if now < self._look_at or self.runtime.worker.work_queue.empty():
            return False
        self._look_at = now + LOOK_SECONDS
        return self.runtime.long_running() >= self.runtime.worker.worker_threads

    def _taken_off(self) -> list[Attempt]:
        """All that waits for a thread, in its order. It is this call's alone."""
        work_queue, attempts = self.runtime.worker.work_queue, []
        for item in iter_queue(work_queue):
            assert isinstance(item.message, ClaimedMessage)
            attempt = item.message.attempt
            # One that the sweep thought forgotten has its outcome: the writer gives it back, and once is enough.
            if not attempt.taken:
                # Not a task that a dying thread forgot, as the sweep would think.
                attempt.taken = True
                attempts.append(attempt)
            work_queue.task_done()
        return attempts
