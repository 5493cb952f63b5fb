"""What a process needs to work: an identity, a heartbeat, a writer, and what it holds."""

import contextlib
import logging
import threading
import time
import uuid
from collections import defaultdict, deque
from typing import TYPE_CHECKING

import redis
from django.conf import settings
from dramatiq import Worker

from workers import identity
from workers.attempt import Attempt
from workers.budget import AHEAD_SECONDS, Budget
from workers.consumer import Hand
from workers.heartbeat import Heartbeat
from workers.surplus import Surplus
from workers.sweep import Sweep
from workers.unreachable import UNREACHABLE
from workers.writer import Writer

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)

#: How long a message that cannot be claimed yet is kept before it waits on its queue again.
EARLY_SECONDS = 1.0
#: How long a consumer waits for a message where none came for a while. Less than Redis is given to answer.
IDLE_SECONDS = 3.0
#: How long a consumer that must not fetch rests before it looks again.
REST_SECONDS = 0.1


class Runtime:
    """One worker process, from its boot to its end. Made anew in each process: a fork must not share it.

    Parameters:
      worker: Dramatiq's worker, which has the threads.
    """

    def __init__(self, broker: "LedgerBroker", worker: Worker) -> None:
        self.broker = broker
        self.worker = worker
        self.worker_id = uuid.uuid4()
        self.broker_id = str(self.worker_id)
        self.queues = sorted(worker.consumer_whitelist or ())
        self.budget = Budget(threads=worker.worker_threads, long_running=self.long_running)
        #: What is claimed and has no written outcome yet, by wire id.
        self.held: dict[str, Attempt] = {}
        #: What is fetched and not claimed yet, by queue.
        self.hands: dict[str, Hand] = {}
        self.stopping = threading.Event()
        #: Set when a relay declared this process dead.
        self.refused = threading.Event()
        self.surplus = Surplus(self)
        self.writer = Writer(
            broker, broker_id=self.broker_id, held=self.held, surplus=self.surplus, on_written=self.release
        )
        self.heartbeat = Heartbeat(
            self.worker_id,
            timeout_seconds=settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS,
            on_refused=self._refuse,
        )
        self.sweep = Sweep(self)
        #: When each is to wait again, its queue, its wire id; in the order of time.
        self._early: deque[tuple[float, str, str]] = deque()
        self._early_lock = threading.Lock()
        #: Held by the one suspect that runs, and by the consumer that looks for one.
        self._suspect = threading.Lock()

    def start(self) -> None:
        from apps.tasks import presence

        me = identity.of_this_process()
        presence.register(
            self.worker_id,
            broker_id=self.broker_id,
            host=me.host,
            hostname=me.hostname,
            pid=me.pid,
            process_started=me.started,
            queues=self.queues,
            threads=self.worker.worker_threads,
        )
        self.writer.start()
        self.heartbeat.start()
        self.sweep.start()
        logger.info("worker started worker=%s pid=%d threads=%d", self.worker_id, me.pid, self.worker.worker_threads)

    def stop_fetching(self) -> None:
        """Fetch nothing from now on, and let no consumer wait for a message any longer."""
        self.stopping.set()
        with contextlib.suppress(redis.RedisError):  # Away, or full: each looks around by itself, some seconds later.
            self.broker.wire.wake(self.broker_id, count=len(self.worker.consumers))

    def close(self, *, timeout_seconds: float = 3.0) -> None:
        """Write what is done, hand back the rest, and leave."""
        from apps.tasks import ledger, presence

        self.stopping.set()
        self.sweep.stop()
        self.writer.close(timeout_seconds=timeout_seconds)
        try:
            returned = ledger.hand_back(self.worker_id)
            for queue_name in self.broker.get_declared_queues():
                self.broker.wire.put_back(queue_name, self.broker_id)
            logger.info("worker stopped worker=%s handed_back=%d", self.worker_id, returned)
        except UNREACHABLE as error:
            logger.error("redis does not answer, a relay will put back what was fetched error=%s", error)
        finally:
            self.heartbeat.stop()
            presence.stop(self.worker_id)

    def _refuse(self) -> None:
        self.stopping.set()
        self.refused.set()

    # --- For consumers ---

    def idle_seconds(self, timeout_seconds: float) -> float:
        """How long to wait for a message where none came for a while: longer, if nothing else is to be done."""
        return timeout_seconds if self._early else max(timeout_seconds, IDLE_SECONDS)

    def hand_of(self, queue_name: str) -> Hand:
        return self.hands.setdefault(queue_name, Hand())

    def may_run_suspect(self) -> bool:
        """Whether a task whose worker died before may be claimed now. If so, `release_suspect` must follow."""
        if self.stopping.is_set() or not self.heartbeat.is_fresh:
            return False
        return self._suspect.acquire(blocking=False)

    def release_suspect(self) -> None:
        self._suspect.release()

    def wait_for_room(self, *, timeout_seconds: float) -> int:
        """How many messages may be fetched; 0 when there is no room within the time, or none shall be fetched."""
        self._put_back_early()
        if not self._may_fetch:
            time.sleep(min(timeout_seconds, REST_SECONDS))
            return 0
        return self.budget.wait_for_room(timeout_seconds=timeout_seconds)

    def fetch(self, queue_name: str, *, limit: int) -> list[tuple[str, bytes]]:
        return self.broker.wire.fetch(queue_name, self.broker_id, limit=limit)

    def wait_and_fetch(self, queue_name: str, *, limit: int, timeout_seconds: float) -> list[tuple[str, bytes]]:
        """Fetch once there is something. What there is no room for by then is put back: others may have some."""
        wire = self.broker.wire
        fetched = wire.wait_and_fetch(queue_name, self.broker_id, limit=limit, timeout_seconds=timeout_seconds)
        room = self.budget.room if self._may_fetch else 0
        if surplus := [wire_id for wire_id, _ in fetched[room:]]:
            wire.put_back(queue_name, self.broker_id, surplus[::-1])
        return fetched[:room]

    @property
    def _may_fetch(self) -> bool:
        return not self.stopping.is_set() and self.heartbeat.is_fresh

    def hold(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            self.held[attempt.wire_id] = attempt
        self.budget.take(len(attempts))
        self.writer.wake()

    def long_running(self) -> int:
        """How many tasks run for so long that nobody knows when their threads will be free."""
        return len(self._long())

    @property
    def has_long_suspect(self) -> bool:
        """Whether nobody knows when `may_run_suspect` will be true."""
        return any(attempt.is_suspect for attempt in self._long())

    def _long(self) -> list[Attempt]:
        before = time.monotonic() - AHEAD_SECONDS
        return [
            attempt
            for attempt in list(self.held.values())
            if attempt.started is not None and attempt.started < before and attempt.outcome is None
        ]

    def put_back_later(self, queue_name: str, wire_id: str) -> None:
        """Keep a message that cannot be claimed yet for a moment, then let it wait on its queue again."""
        self._early.append((time.monotonic() + EARLY_SECONDS, queue_name, wire_id))

    @property
    def fetched_wire_ids(self) -> set[str]:
        """What this process has taken from Redis and knows of, by wire id."""
        early = {wire_id for _, _, wire_id in list(self._early)}
        return early | set(self.held) | {wire_id for hand in list(self.hands.values()) for wire_id in hand.wire_ids}

    def _put_back_early(self) -> None:
        if not self._early_lock.acquire(blocking=False):
            return  # The consumer of another queue is at it.
        try:
            now = time.monotonic()
            due = [early for early in list(self._early) if early[0] <= now]
            by_queue: defaultdict[str, list[str]] = defaultdict(list)
            for _, queue_name, wire_id in reversed(due):  # Each goes before the one before it.
                by_queue[queue_name].append(wire_id)
            for queue_name, wire_ids in by_queue.items():
                self.broker.wire.put_back(queue_name, self.broker_id, wire_ids)
            for _ in due:
                self._early.popleft()
        finally:
            self._early_lock.release()

    # --- For worker threads ---

    def end(self, attempt: Attempt) -> None:
        """Pass an attempt on to the writer. One without an outcome is handed back: nobody knows how it ended."""
        attempt.hand_back()
        if attempt.started is not None:
            self.budget.ran(time.monotonic() - attempt.started)
        self.writer.end(attempt)

    def release(self, attempts: list[Attempt]) -> None:
        """Let go of attempts that the database says are no longer this process's."""
        for attempt in attempts:
            self.held.pop(attempt.wire_id, None)
            if attempt.is_suspect:
                self.release_suspect()
        self.budget.release(len(attempts))
