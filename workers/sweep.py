"""The sweep: now and then a process compares what it is said to hold with what it knows that it holds."""

import logging
import threading
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError

from workers import wire
from workers.attempt import Attempt, ClaimedMessage
from workers.broken_connection import close_broken
from workers.consumer import LedgerConsumer
from workers.unreachable import UNREACHABLE

if TYPE_CHECKING:
    from workers.runtime import Runtime

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 2.0


class Sweep(threading.Thread):
    """Finds what was forgotten: a fetch or a claim whose reply was lost, and the work of a thread that died.

    What two sweeps in a row find unknown is put back, or handed back; what is on its way is unknown to one at most.
    """

    def __init__(self, runtime: "Runtime") -> None:
        super().__init__(name="sweep", daemon=True)
        self.runtime = runtime
        self._stopping = threading.Event()
        self._unknown_rows: set[tuple[str, int]] = set()
        self._unknown_acks: set[tuple[str, str]] = set()
        self._lost: set[Attempt] = set()

    def stop(self) -> None:
        self._stopping.set()
        self.join(SWEEP_SECONDS)

    def run(self) -> None:
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                self.replace_dead_threads()
                self.compare_rows()
                self.put_back_forgotten_messages()
            except (DatabaseError, InterfaceError) as error:
                logger.error("no sweep, the database does not answer error=%s", error)
                close_broken()
            except UNREACHABLE as error:
                logger.error("no sweep, redis does not answer error=%s", error)
            except Exception:
                logger.exception("a sweep failed")
        close_broken()

    def replace_dead_threads(self) -> None:
        """Start a worker thread for each that died, and hand back what it was running."""
        worker = self.runtime.worker
        for thread in [thread for thread in worker.workers if thread.ident and not thread.is_alive()]:
            if self.runtime.stopping.is_set():
                return
            logger.error("a worker thread died and is replaced thread=%s", thread.name)
            worker.workers.remove(thread)
            worker._add_worker()
        waiting, lost = self._waiting(), set()
        for attempt in list(self.runtime.held.values()):
            if attempt.taken:
                continue
            if attempt.thread is None:
                # Taken off the queue by a thread that died before it began?
                if attempt not in waiting:
                    lost.add(attempt)
            elif not attempt.thread.is_alive():
                # Its outcome may be settled: what is missing is that somebody passes it on.
                self.runtime.end(attempt)
        for attempt in lost & self._lost:
            self.runtime.end(attempt)
        self._lost = lost

    def _waiting(self) -> set[Attempt]:
        """What waits for a worker thread."""
        worker = self.runtime.worker
        with worker.work_queue.mutex:
            messages = [item.message for item in worker.work_queue.queue]
        for thread in list(worker.consumers.values()):
            if isinstance(thread.consumer, LedgerConsumer):
                messages += list(thread.consumer.ready)
        return {message.attempt for message in messages if isinstance(message, ClaimedMessage)}

    def compare_rows(self) -> None:
        """Hand back rows that name this process as their holder, though it does not know of them.

        The same look tells which of the held tasks are called off.
        """
        from apps.tasks import ledger

        rows = ledger.held_by(self.runtime.worker_id)
        # Before the held ones: a claim may have been made whose consumer is still asking about the rest of its batch.
        in_hand = self.runtime.fetched_wire_ids
        known = {
            (attempt.claim.task_id, attempt.claim.attempt): attempt for attempt in list(self.runtime.held.values())
        }
        for key, attempt in known.items():
            attempt.cancelled = rows.get(key, False)
        unknown = {key for key in rows.keys() - known.keys() if wire.wire_id(*key) not in in_hand}
        for task_id, number in unknown & self._unknown_rows:
            if ledger.hand_back_one(task_id, number, worker_id=self.runtime.worker_id):
                logger.warning("handed back a forgotten task id=%s attempt=%d", task_id, number)
        self._unknown_rows = unknown

    def put_back_forgotten_messages(self) -> None:
        """Let messages wait again that Redis says this process fetched, though it does not know of them."""
        wire, broker_id = self.runtime.broker.wire, self.runtime.broker_id
        unknown: set[tuple[str, str]] = set()
        queues = self.runtime.broker.get_declared_queues()
        # One command where nothing is held, as mostly.
        for queue_name in queues if wire.has_fetched((queue_name, broker_id) for queue_name in queues) else ():
            fetched = wire.fetched_by(queue_name, broker_id)
            unknown |= {(queue_name, wire_id) for wire_id in fetched - self.runtime.fetched_wire_ids}
        unknown -= set(self.runtime.writer.unacked)
        for queue_name, wire_id in unknown & self._unknown_acks:
            if wire.put_back(queue_name, broker_id, [wire_id]):
                logger.warning("put back a forgotten message wire_id=%s queue=%s", wire_id, queue_name)
        self._unknown_acks = unknown
