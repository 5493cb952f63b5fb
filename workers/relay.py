"""The relay: makes sure that every task that waits is in Redis, and that no dead worker holds one.

Any number may run. None of what it does is remembered in it alone: a relay that dies half-way leaves nothing that
the next pass, of whichever relay, does not find.
"""

import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, InterfaceError

from apps.core.connections import close_broken
from apps.tasks import ledger, presence
from apps.tasks.conf import conf
from apps.tasks.models import TaskStatus, WorkerProcess
from workers.broker import LedgerBroker
from workers.process import identity
from workers.wire import message as wire_message
from workers.wire.errors import UNREACHABLE
from workers.wire.queue import chunks

logger = logging.getLogger(__name__)

#: How often due rows are looked for, and what else is looked after, in seconds.
DUE_SECONDS = 0.2
RESCUE_SECONDS = 0.5
#: How long a relay waits after a pass that failed, in seconds.
PAUSE_SECONDS = 1.0
AUDIT_SECONDS = 5.0
EXPIRE_SECONDS = 1.0
FORGET_SECONDS = 600.0
#: An audit that took long is not repeated before so many times its own length.
AUDIT_REST = 20
#: How many rows are taken in one page.
PAGE = 500
AUDIT_PAGE = 2_000
#: Observations of heartbeats count only while passes follow each other this closely, in seconds.
GAP_SECONDS = 2.0
#: How long a dead worker's messages in Redis are looked after.
DEAD_FOR = timedelta(minutes=10)
#: How long rows of stopped workers are kept.
KEPT_FOR = timedelta(days=7)


@dataclass
class Sighting:
    """A heartbeat that this relay saw, and since when it has not moved, by its own monotonic clock."""

    beats: int
    since: float


class Relay:
    """One relay. `run` goes on until it is told to stop."""

    def __init__(self, broker: LedgerBroker) -> None:
        self.broker = broker
        self.host = identity.host()
        self.sightings: dict[uuid.UUID, Sighting] = {}
        self._last_look = 0.0
        self._epoch: bytes | None = None
        self._due: dict[Callable[[], object], float] = {}

    def run(self, stop: threading.Event) -> None:
        """Make passes until `stop` is set. Trouble with the database or Redis is logged and tried again."""
        logger.info("relay started host=%s", self.host)
        pause = DUE_SECONDS
        while not stop.wait(pause):
            try:
                pause = PAUSE_SECONDS
                self.publish_due()
                self._every(RESCUE_SECONDS, self.rescue)
                if self._is_new_redis():
                    self._due[self.audit] = 0
                    # It may have been away, or be from a backup, for longer than the dead are looked after.
                    self._requeue(KEPT_FOR)
                self._every(AUDIT_SECONDS, self.audit)
                self._every(EXPIRE_SECONDS, ledger.expire_waiting)
                self._every(FORGET_SECONDS, self.forget)
                pause = DUE_SECONDS
            except (DatabaseError, InterfaceError) as error:
                logger.error("the database does not answer error=%s", error)
                close_broken()
                self.sightings.clear()
            except UNREACHABLE as error:
                logger.error("redis does not answer error=%s", error)
                self._epoch = None
            except Exception:
                logger.exception("a pass of the relay failed")
                close_broken()
        close_broken()
        logger.info("relay stopped host=%s", self.host)

    def _every(self, seconds: float, work: Callable[[], object]) -> None:
        began = time.monotonic()
        if began < self._due.get(work, 0):
            return
        work()
        took = time.monotonic() - began
        self._due[work] = began + max(seconds, took * AUDIT_REST if work == self.audit else 0)

    # --- Due rows ---

    def publish_due(self) -> int:
        """Publish delayed rows whose time has come. Returns how many."""
        published = 0
        while TaskStatus.objects.due().filter(delayed=True).exists():
            rows = ledger.take_due(limit=PAGE)
            self._publish(rows)
            published += len(rows)
            if len(rows) < PAGE:
                break
        return published

    def _publish(self, rows: list[TaskStatus]) -> None:
        if rows:
            self.broker.wire.publish([wire_message.from_row(row) for row in rows])

    # --- What Redis lost ---

    def audit(self) -> int:
        """Publish again every due row that Redis does not have. Returns how many."""
        lost, pk = 0, 0
        while rows := ledger.due_after(pk, limit=AUDIT_PAGE):
            if absent := self._absent(rows):
                # Read anew: most were fetched, run and acked since the page was read.
                found = ledger.still_due(absent)
                self._publish(found)
                lost += len(found)
            pk = rows[-1].pk
        if lost:
            logger.warning("published again what redis did not have count=%d", lost)
        return lost

    def _absent(self, rows: list[ledger.Waiting]) -> list[ledger.Waiting]:
        by_queue: defaultdict[str, list[ledger.Waiting]] = defaultdict(list)
        for row in rows:
            by_queue[row.queue_name].append(row)
        absent = []
        for queue_name, group in by_queue.items():
            present = self.broker.wire.present(
                queue_name, [wire_message.wire_id(row.task_id, row.attempt) for row in group]
            )
            absent += [row for row, there in zip(group, present, strict=True) if not there]
        return absent

    def _is_new_redis(self) -> bool:
        """Whether Redis was wiped or changed since the last pass: our mark in it is gone."""
        key = f"{self.broker.namespace}:__epoch__"
        client = self.broker.wire.workers
        epoch = client.get(key)
        if epoch is None:
            client.set(key, uuid.uuid4().hex, nx=True)
            epoch = client.get(key)
        known, self._epoch = self._epoch, epoch if isinstance(epoch, bytes) else None
        return known != self._epoch

    # --- Dead workers ---

    def rescue(self) -> int:
        """Take from dead workers what they held. Returns how many tasks are pending again."""
        for worker in presence.living():
            if self._is_dead(worker) and presence.stop(worker.pk):
                logger.error("worker died worker=%s host=%s pid=%d", worker.pk, worker.hostname, worker.pid)
        self._last_look = time.monotonic()
        returned = 0
        for worker_id in presence.dead_holders():
            rescued, poisoned = ledger.rescue(worker_id, max_crashes=conf.TASK_MAX_CRASHES)
            logger.warning("rescued worker=%s pending=%d failed=%d", worker_id, rescued, poisoned)
            returned += rescued
        self._requeue(DEAD_FOR)
        return returned

    def _requeue(self, time: timedelta) -> None:
        """Let wait again what workers had fetched that stopped no longer ago than that."""
        queues = self.broker.get_declared_queues()
        stopped = [(queue, worker.broker_id) for worker in presence.stopped_within(time) for queue in queues]
        for page in chunks(stopped, PAGE):
            # One command where they left nothing, as mostly.
            if self.broker.wire.has_fetched(page):
                for queue_name, broker_id in page:
                    self.broker.wire.requeue(queue_name, broker_id)

    def _is_dead(self, worker: WorkerProcess) -> bool:
        """Judge by the process itself on this host, by its heartbeat elsewhere."""
        if worker.host == self.host:
            if not identity.is_running(worker.pid, worker.process_started):
                return True
            if not identity.is_stopped(worker.pid):
                # Busy in C code, or waiting for a lock: silent, but alive.
                self.sightings.pop(worker.pk, None)
                return False
        now = time.monotonic()
        if now - self._last_look > GAP_SECONDS:
            # We were away ourselves: nobody's silence in the meantime counts.
            self.sightings.clear()
            self._last_look = now
        seen = self.sightings.get(worker.pk)
        if seen is None or seen.beats != worker.beats:
            self.sightings[worker.pk] = Sighting(beats=worker.beats, since=now)
            return False
        return now - seen.since > conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS

    def forget(self) -> int:
        """Delete workers that stopped long ago."""
        return presence.forget(older_than=KEPT_FOR)
