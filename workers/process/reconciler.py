"""Compares the memory of a process with Redis and the rows, and repairs what was forgotten."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from django.db import DatabaseError, InterfaceError
from dramatiq import Worker
from dramatiq.worker import ConsumerThread

from apps.core.connections import close_abandoned, close_broken, close_resting, own, statement_timeout
from workers.process.attempt import Attempt, ClaimedMessage
from workers.process.coroutines import Coroutines
from workers.process.holdings import Holdings
from workers.process.stack_requests import LOOK_SECONDS, StackRequests
from workers.process.work_queue import WorkQueue
from workers.process.writer import Writer
from workers.wire.errors import UNREACHABLE
from workers.wire.message import wire_id_of
from workers.wire.queue import WireQueue

logger = logging.getLogger(__name__)

#: Seconds between two comparisons.
RECONCILE_SECONDS = 2.0
#: Seconds between two looks for pauses. A call in Redis brings one at once.
PAUSES_SECONDS = 1.0
#: Seconds that a comparison with the rows may take. It must not hang where a consumer hangs.
COMPARE_SECONDS = 5.0
#: Seconds after which a fetched batch that is not claimed yet is requeued for other processes.
CLAIM_SECONDS = 15.0


class Reconciler(threading.Thread):
    """Finds a fetch or a claim whose reply was lost, and the tasks of a thread that died.

    A message or row that two comparisons in a row find unknown is requeued or released. One on its way is unknown to
    one comparison at most. Between two comparisons it answers requests for stacks.

    Parameters:
      worker: Dramatiq's worker, whose dead worker and consumer threads are replaced.
      work_queue: The worker's queue, from which its threads take messages.
      coroutines: The tasks that run in place.
      queues: Returns the names of the declared queues.
      stopping: Set when the process stops.
    """

    def __init__(
        self,
        holdings: Holdings,
        wire: WireQueue,
        writer: Writer,
        worker: Worker,
        work_queue: WorkQueue,
        coroutines: Coroutines,
        *,
        queues: Callable[[], Iterable[str]],
        stopping: threading.Event,
    ) -> None:
        super().__init__(name="reconciler", daemon=True)
        self.holdings = holdings
        self.wire = wire
        self.writer = writer
        self.worker = worker
        self.work_queue = work_queue
        self.coroutines = coroutines
        self.queues = queues
        self.stopping = stopping
        self.stack_requests = StackRequests(holdings)
        #: Time of the next comparison, by the monotonic clock.
        self._due_at = time.monotonic() + RECONCILE_SECONDS
        self._pauses_at = 0.0
        self._ended = threading.Event()
        self._unknown_rows: set[tuple[str, int]] = set()
        #: Unknown messages as pairs of queue and wire id, with the fetch that was under way.
        self._unknown_acks: dict[tuple[str, str], int | None] = {}
        self._lost: set[Attempt] = set()

    def end(self) -> None:
        """Let the thread end after its comparison."""
        self._ended.set()

    def run(self) -> None:
        own(repeats=True)
        while not self._ended.wait(min(RECONCILE_SECONDS, LOOK_SECONDS)):
            try:
                self.stack_requests.answer()
                self.look_for_pauses()
                if time.monotonic() < self._due_at:
                    continue
                self._due_at = time.monotonic() + RECONCILE_SECONDS
                close_abandoned()
                close_resting(is_expired=True)
                self.replace_dead_threads()
                self.requeue_overdue_messages()
                self.requeue_forgotten_messages()
                self.compare_rows()
            except (DatabaseError, InterfaceError) as error:
                logger.error("reconciliation skipped, database does not answer error=%s", error)
                close_broken()
            except UNREACHABLE as error:
                logger.error("reconciliation skipped, redis does not answer error=%s", error)
            except BaseException:
                logger.exception("reconciliation failed")
                close_broken()
        close_broken()

    def look_for_pauses(self) -> None:
        """Read what is paused, once in `PAUSES_SECONDS`."""
        now = time.monotonic()
        if now >= self._pauses_at:
            self._pauses_at = now + PAUSES_SECONDS
            with statement_timeout(COMPARE_SECONDS):
                self.holdings.paused.look()

    def replace_dead_threads(self) -> None:
        """Replace each worker and consumer thread that died, and release the tasks that it had."""
        for thread in [thread for thread in self.worker.workers if thread.ident and not thread.is_alive()]:
            if self.stopping.is_set():
                return
            logger.error("worker thread died and is replaced thread=%s", thread.name)
            self.worker._add_worker()
            self.worker.workers.remove(thread)  # Not before: a machine may have no room for a thread just now.
        for consumer in [consumer for consumer in self.worker.consumers.values() if not consumer.is_alive()]:
            if self.stopping.is_set():
                return
            if consumer.ident:
                logger.error("consumer thread died and is replaced queue=%s", consumer.queue_name)
                self._replace(consumer)
        waiting, lost = self._waiting(), set()
        for attempt in list(self.holdings.held.values()):
            if attempt.taken:
                continue
            if attempt.thread is None:
                # Perhaps taken off the queue by a thread that died before it began.
                if attempt not in waiting:
                    lost.add(attempt)
            elif not attempt.thread.is_alive():
                # Its outcome may be settled and not passed on.
                self.writer.end(attempt)
        for attempt in lost & self._lost:
            self.writer.end(attempt)
        self._lost = lost

    def _replace(self, dead: ConsumerThread) -> None:
        """Start another thread in the place of a dead consumer thread."""
        dead.close()
        thread = ConsumerThread(
            broker=dead.broker,
            queue_name=dead.queue_name,
            prefetch=dead.prefetch,
            work_queue=dead.work_queue,
            worker_timeout=dead.worker_timeout,
        )
        thread.consumer = dead.consumer  # Until it has its own: worker threads pass their messages on through it.
        thread.start()
        self.worker.consumers[dead.queue_name] = thread

    def _waiting(self) -> set[Attempt]:
        """Return the attempts that wait for a worker thread or the event loop."""
        messages = [item.message for item in self.work_queue.waiting] + list(self.coroutines.waiting)
        return {message.attempt for message in messages if isinstance(message, ClaimedMessage)}

    def compare_rows(self) -> None:
        """Release rows that name this process as their holder and that it does not know. Note cancel requests."""
        from apps.tasks import ledger

        with statement_timeout(COMPARE_SECONDS):
            rows = ledger.held_by(self.holdings.worker_id)
        # Read before the held attempts: a consumer may have claimed a batch and still ask about the rest of it.
        wire_ids = self.holdings.wire_ids
        known = {(attempt.claim.task_id, attempt.claim.attempt) for attempt in list(self.holdings.held.values())}
        self.holdings.cancel({key for key, is_requested in rows.items() if is_requested})
        unknown = {key for key in rows.keys() - known if wire_id_of(*key) not in wire_ids}
        for task_id, number in unknown & self._unknown_rows:
            if ledger.release_one(task_id, number, worker_id=self.holdings.worker_id):
                logger.warning("forgotten task released id=%s attempt=%d", task_id, number)
        self._unknown_rows = unknown

    def requeue_overdue_messages(self) -> None:
        """Requeue what a consumer fetched and could not claim in time: it hangs in a statement.

        When it comes back it claims what is still pending. The claims of the others are refused then.
        """
        self.holdings.requeue_early(self._requeue, late_seconds=CLAIM_SECONDS)
        for queue_name, batch in self.holdings.overdue_batches(CLAIM_SECONDS).items():
            wire_ids = [wire_id for wire_id, _ in batch.fetched] + list(batch.suspects)
            self._requeue(queue_name, wire_ids[::-1])
            batch.fetched_at = None
            logger.error(
                "consumer hangs, its messages are requeued queue=%s count=%d seconds=%d",
                queue_name, len(wire_ids), CLAIM_SECONDS,
            )  # fmt: skip

    def _requeue(self, queue_name: str, wire_ids: list[str]) -> None:
        self.wire.requeue(queue_name, self.holdings.broker_id, wire_ids)

    def requeue_forgotten_messages(self) -> None:
        """Requeue messages that this process fetched according to Redis and that it does not know."""
        broker_id = self.holdings.broker_id
        unknown: dict[tuple[str, str], int | None] = {}
        queues = list(self.queues())
        # One command while the process holds nothing.
        if self.wire.has_fetched((queue_name, broker_id) for queue_name in queues):
            for queue_name in queues:
                under_way = self.wire.fetches_under_way.get(queue_name)
                fetched = self.wire.fetched_by(queue_name, broker_id)
                unknown |= {(queue_name, wire_id): under_way for wire_id in fetched - self.holdings.wire_ids}
        for key in self.writer.unacked:
            unknown.pop(key, None)
        for (queue_name, wire_id), under_way in unknown.items():
            if self._is_forgotten((queue_name, wire_id), under_way) and self.wire.requeue(
                queue_name, broker_id, [wire_id]
            ):
                logger.warning("forgotten message requeued wire_id=%s queue=%s", wire_id, queue_name)
        self._unknown_acks = unknown

    def _is_forgotten(self, key: tuple[str, str], under_way: int | None) -> bool:
        """Return whether the message was unknown before, and is not in a reply that is still being read.

        Large messages take their time on a slow network.
        """
        return key in self._unknown_acks and (under_way is None or under_way != self._unknown_acks[key])
