"""The messages and attempts of a worker process: the ground floor that its threads share."""

import logging
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Collection

from workers.process.attempt import Attempt
from workers.process.cancellation import Delivery
from workers.process.fetched_batch import FetchedBatch
from workers.process.paused import Paused
from workers.process.prefetch import AHEAD_SECONDS, MOST_IN_PLACE, Prefetch
from workers.process.suspects import Suspects

logger = logging.getLogger(__name__)

#: Seconds that a message is kept which cannot be claimed yet, before it is requeued.
EARLY_SECONDS = 1.0


class Holdings:
    """The messages and attempts of one worker process.

    Consumers add to it, the writer removes from it, the rebalancer and the reconciler look through it.

    Parameters:
      worker_id: Identity of the process, in rows and in Redis.
      threads: Number of tasks that can run at once in threads.
      in_place: Number of tasks that can run at once in place, on the event loop.
      may_start: Returns whether the process may fetch and start tasks now. False while it stops and while its
        heartbeat is not confirmed.
      weight_of: Returns the weight of a queue.
    """

    def __init__(
        self,
        worker_id: uuid.UUID,
        *,
        threads: int,
        in_place: int = 0,
        may_start: Callable[[], bool],
        weight_of: Callable[[str], int] = lambda queue_name: 1,
    ) -> None:
        self.worker_id = worker_id
        #: The same identity, as Redis knows it.
        self.broker_id = str(worker_id)
        self.threads = threads
        self.may_start = may_start
        self.paused = Paused()
        self.prefetch = Prefetch(threads=threads, long_running=self.long_running, weight_of=weight_of)
        #: Counts the tasks that run in place.
        self.in_place = Prefetch(
            threads=in_place,
            most_per_thread=max(MOST_IN_PLACE // max(in_place, 1), 2),
            long_running=self.long_in_place,
            weight_of=weight_of,
        )
        #: Queues whose tasks all run in place.
        self.queues_in_place: set[str] = set()
        #: Time at which attempts were claimed last, by the monotonic clock. None: never.
        self.taken_at: float | None = None
        #: Number of runs whose outcomes are written. The writer's thread counts them.
        self.done = 0
        #: Claimed attempts without a written outcome, by wire id.
        self.held: dict[str, Attempt] = {}
        #: Fetched and not claimed, by queue.
        self._batches: dict[str, FetchedBatch] = {}
        #: Time to requeue, queue and wire id, in the order of time.
        self._early: deque[tuple[float, str, str]] = deque()
        self._early_lock = threading.Lock()
        #: Suspects that run.
        self.suspects = Suspects()

    # --- Fetched ---

    def batch_of(self, queue_name: str) -> FetchedBatch:
        """Return the fetched batch of a queue."""
        return self._batches.setdefault(queue_name, FetchedBatch())

    def overdue_batches(self, seconds: float) -> dict[str, FetchedBatch]:
        """Return by queue the batches that were fetched longer ago than that and are not claimed."""
        return {name: batch for name, batch in list(self._batches.items()) if batch.is_overdue(seconds)}

    def keep_early(self, queue_name: str, wire_id: str) -> None:
        """Keep a message that cannot be claimed yet. It is due for requeuing after `EARLY_SECONDS`."""
        self._early.append((time.monotonic() + EARLY_SECONDS, queue_name, wire_id))

    @property
    def has_early(self) -> bool:
        """Whether a message is kept that must be requeued soon."""
        return bool(self._early)

    def requeue_early(self, requeue: Callable[[str, list[str]], object], *, late_seconds: float = 0.0) -> None:
        """Pass the due messages to `requeue`, by queue. They are forgotten once it returned.

        Parameters:
          late_seconds: Only those that are due for longer than that.
        """
        if not self._early_lock.acquire(blocking=False):
            return  # The consumer of another queue does it now.
        try:
            now = time.monotonic() - late_seconds
            due = [early for early in list(self._early) if early[0] <= now]
            by_queue: defaultdict[str, list[str]] = defaultdict(list)
            for _, queue_name, wire_id in reversed(due):  # Each goes to the head of its queue, before the last one.
                by_queue[queue_name].append(wire_id)
            for queue_name, wire_ids in by_queue.items():
                requeue(queue_name, wire_ids)
            for _ in due:
                self._early.popleft()
        finally:
            self._early_lock.release()

    @property
    def wire_ids(self) -> set[str]:
        """Wire ids of all messages that this process took from Redis and knows of."""
        early = {wire_id for _, _, wire_id in list(self._early)}
        fetched = {wire_id for batch in list(self._batches.values()) for wire_id in batch.wire_ids}
        return early | set(self.held) | fetched

    # --- Claimed ---

    def hold(self, attempts: list[Attempt]) -> None:
        """Add claimed attempts of one queue."""
        if not attempts:
            return
        self.taken_at = time.monotonic()
        for attempt in attempts:
            self.held[attempt.wire_id] = attempt
        queue_name, count = attempts[0].message.queue_name, len(attempts)
        on_loop = sum(attempt.function is not None for attempt in attempts)
        if queue_name in self.queues_in_place:
            self.in_place.take(queue_name, count, elsewhere=count - on_loop)
            self.prefetch.take_more(count - on_loop)
        else:
            self.prefetch.take(queue_name, count, elsewhere=on_loop)
            if on_loop:
                self.in_place.take_more(on_loop)

    def drop(self, attempts: list[Attempt]) -> None:
        """Remove attempts that are no longer this process's according to the database."""
        for attempt in attempts:
            self.held.pop(attempt.wire_id, None)
            if attempt.is_suspect:
                self.suspects.end(attempt)
        if on_loop := sum(attempt.function is not None for attempt in attempts):
            self.in_place.free(on_loop)
        self.prefetch.free(len(attempts) - on_loop)

    def long_running(self) -> int:
        """Return the number of threads whose tasks have run for longer than `AHEAD_SECONDS`."""
        return sum(attempt.function is None for attempt in self.running(AHEAD_SECONDS))

    def long_in_place(self) -> int:
        """Return the number of tasks in place that have run for longer than `AHEAD_SECONDS`."""
        return sum(attempt.function is not None for attempt in self.running(AHEAD_SECONDS))

    def is_loop_full(self) -> bool:
        """Return whether the event loop is blocked, or all its places have long tasks."""
        return self.in_place.is_closed() or self.long_in_place() >= self.in_place.threads

    def prefetch_of(self, queue_name: str) -> Prefetch:
        """Return what counts the tasks of a queue."""
        return self.in_place if queue_name in self.queues_in_place else self.prefetch

    def ran(self, attempt: Attempt) -> None:
        """Note the run time of an attempt that ended."""
        if attempt.started is not None:
            place = self.prefetch if attempt.function is None else self.in_place
            place.ran(time.monotonic() - attempt.started)

    def running(self, seconds: float = 0.0) -> list[Attempt]:
        """Return the attempts that have run for longer than that."""
        before = time.monotonic() - seconds
        return [
            attempt
            for attempt in list(self.held.values())
            if attempt.started is not None and attempt.started < before and attempt.outcome is None
        ]

    def cancel(self, requested: Collection[tuple[str, int]]) -> None:
        """Let requests to cancel reach their tasks, given as pairs of task id and attempt.

        A task that waits in this process does not start. The others are interrupted.
        """
        if not requested:
            return
        for attempt in list(self.held.values()):
            claim = attempt.claim
            if (claim.task_id, claim.attempt) not in requested or not attempt.cancellation.request():
                continue
            logger.info(
                "cancellation requested id=%s actor=%s attempt=%d",
                claim.task_id, attempt.message.actor_name, claim.attempt,
            )  # fmt: skip
            if attempt.started is not None and attempt.outcome is None:
                Delivery(attempt.cancellation).start()

    # --- Suspects ---

    def begin_suspect(self, clear_seconds: float | None) -> bool:
        """Reserve the right to start a suspect, as `Suspects.begin` does."""
        is_free = self.long_running() < self.threads
        return is_free and self.may_start() and self.suspects.begin(clear_seconds)
