"""The relay publishes due and lost tasks and takes tasks back from dead workers.

Any number of relays may run. A relay keeps no state that matters: if it dies half-way, the next pass of any relay finds
the rest.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connection

from apps.core.connections import close_broken
from apps.tasks import audit, figures, health, ledger, pauses, presence, stacks, stalls
from apps.tasks.alerts import checking
from apps.tasks.conf import conf
from apps.tasks.models import TaskStatus, WorkerProcess
from workers import group_callbacks, neighbours
from workers.admission import Admissions
from workers.alerts import AlertWatch
from workers.audit import Audit
from workers.broker import LedgerBroker
from workers.figures import FiguresThread
from workers.process import identity
from workers.process.stop_request import StopRequest
from workers.process.writer import is_data_error
from workers.process_row import ProcessRow
from workers.retention import kept
from workers.wire.clients import chunks
from workers.wire.errors import UNREACHABLE, may_have_lost_data
from workers.wire.outage import Outage

logger = logging.getLogger(__name__)

#: Passes of the relays of this process: those that were made as a whole, and those that an error cut short.
passes = {"whole": 0, "failed": 0}

#: Seconds between two looks for children of cancelled tasks that a worker has left.
CHILDREN_SECONDS = 5.0
#: Seconds between two looks for due rows.
DUE_SECONDS = 0.2
#: Seconds between two looks for dead workers.
RESCUE_SECONDS = 0.5
#: Seconds that a relay waits after a pass that failed.
PAUSE_SECONDS = 1.0
#: Seconds between two audits, which compare the due rows with Redis.
AUDIT_SECONDS = 5.0
#: Seconds that a relay that stops waits for each of its threads.
STOP_SECONDS = 2.0
#: Pause after an audit, at least, in multiples of its own duration.
AUDIT_REST = 20
#: Seconds between two looks for expired tasks.
EXPIRE_SECONDS = 1.0
#: Seconds between two looks for groups whose members have ended.
GROUP_SECONDS = 0.5
#: Seconds between two looks for workers that live and take nothing.
STALL_SECONDS = 5.0
#: Seconds between two deletions of old rows.
FORGET_SECONDS = 600.0
#: Seconds of a pass in which tasks are deleted that ended long ago, about.
DELETE_SECONDS = 0.05
#: Pause after deletions, at least, in multiples of their own duration. On SQLite nobody else writes meanwhile.
DELETE_REST = 9
#: Seconds until more tasks are old enough.
REST_SECONDS = 60.0
#: Rows that are published in one page.
PAGE = 500
#: Seconds between two looks for another database behind the same namespace.
LOOK_AROUND_SECONDS = 5.0
#: Seconds between two passes, at most, for observations of heartbeats to count.
GAP_SECONDS = 2.0
#: Time for which the messages of a dead worker in Redis are requeued.
DEAD_FOR = timedelta(minutes=10)
#: Time for which stacks of tasks are kept.
STACKS_KEPT_FOR = timedelta(hours=1)
#: Time for which rows of stopped workers and of ended groups are kept.
KEPT_FOR = timedelta(days=7)


@dataclass
class Sighting:
    """A heartbeat that this relay saw, and when it last moved, by the relay's own monotonic clock."""

    beats: int
    since: float


class Relay:
    """One relay. `run` is its whole life."""

    def __init__(self, broker: LedgerBroker) -> None:
        self.broker = broker
        self.host = identity.host()
        self.row = ProcessRow(WorkerProcess.KIND_RELAY)
        self.sightings: dict[uuid.UUID, Sighting] = {}
        self._last_look = 0.0
        self._audit = Audit(broker, beat=lambda: self.row.beat())
        self._alerts = AlertWatch()
        self._admissions: Admissions | None = None
        self._figures: FiguresThread | None = None
        self._retention = ledger.Retention()
        self._delete_at = 0.0
        self._epoch: bytes | None = None
        self._outage = Outage()
        self._strangers: set[str] = set()
        #: Workers that lived and took nothing at the last look.
        self._stalled: set[uuid.UUID] = set()
        self._due: dict[Callable[[], object], float] = {}
        #: Work that failed unexpectedly the last time.
        self._failing: set[Callable[[], object]] = set()

    def run(self, stop: StopRequest | threading.Event) -> None:
        """Make passes until `stop` is set. After an error of the database or Redis, try again."""
        logger.info("relay started host=%s", self.host)
        pause = DUE_SECONDS
        while not stop.wait(pause):
            outcome = "failed"
            try:
                pause = PAUSE_SECONDS
                # Not while a part of its work fails unexpectedly: a relay that beats is taken for one that works.
                if not self._failing and self._is_admitting():
                    self.row.beat()
                self._count()
                # First: the rest may end with the error of a Redis that is away.
                self._every(checking.LOOK_SECONDS, self._alerts.look)
                self._do(self.publish_due)
                self._every(RESCUE_SECONDS, self.rescue)
                if self.is_new_redis():
                    self._due[self.audit] = 0
                    self._audit.be_thorough()
                    # It may have been away for longer than DEAD_FOR, or come from a backup.
                    self._requeue(KEPT_FOR)
                self._every(AUDIT_SECONDS, self.audit)
                self._every(LOOK_AROUND_SECONDS, self.look_around)
                self._every(EXPIRE_SECONDS, ledger.expire_waiting)
                self._every(GROUP_SECONDS, self.settle_groups)
                self._every(STALL_SECONDS, self.tell_stalls)
                self._every(CHILDREN_SECONDS, ledger.cancel_children)
                self._every(FORGET_SECONDS, self.forget)
                self._do(self.delete_old)
                pause = PAUSE_SECONDS if self._failing else DUE_SECONDS
                outcome = "failed" if self._failing else "whole"
                if self._outage.ends():
                    logger.info("redis answers again")
            except (DatabaseError, InterfaceError) as error:
                logger.error("database does not answer error=%s", error)
                close_broken()
                self.sightings.clear()
            except UNREACHABLE as error:
                if self._outage.begins(error):
                    logger.error("redis does not answer error=%s", error)
                if may_have_lost_data(error):
                    self._epoch = None
            except Exception:
                logger.exception("relay pass failed")
                close_broken()
            finally:
                passes[outcome] += 1
        for thread in (self._admissions, self._figures):
            if thread is not None:
                thread.end()
                thread.join(STOP_SECONDS)
        self.row.stop()
        close_broken()
        logger.info("relay stopped host=%s", self.host)

    def _every(self, seconds: float, work: Callable[[], object]) -> None:
        began = time.monotonic()
        if began < self._due.get(work, 0):
            return
        try:
            self._do(work)
        finally:
            # Also after an error: an audit of many rows must not begin anew with each pass.
            took = time.monotonic() - began
            self._due[work] = began + max(seconds, took * AUDIT_REST if work == self.audit else 0)

    def _do(self, work: Callable[[], object]) -> None:
        """Do a part of a pass. If it fails unexpectedly, the other parts go on."""
        try:
            work()
        except UNREACHABLE:
            raise
        except Exception as error:
            if not is_data_error(error):
                raise
            logger.exception("relay work failed")
            close_broken()
            self._failing.add(work)
        else:
            self._failing.discard(work)

    # --- Limited tasks ---

    def admit(self) -> int:
        """Give limited tasks the places that are free, and publish them. Return their number."""
        admissions = self._make_admissions()
        admitted = admissions.look_at_all()
        while admissions.is_unfinished:
            admitted += admissions.look_at_all()
        return admitted

    def _is_admitting(self) -> bool:
        """Start the thread that admits limited tasks, unless it lives. Return whether it works."""
        if self._admissions is None or not self._admissions.is_alive():
            self._admissions = self._make_admissions()
            self._admissions.start()
        return self._admissions.is_working

    def _make_admissions(self) -> Admissions:
        return Admissions(self.broker.wire, actors=self.broker.actors, publish=Audit(self.broker).publish)

    # --- Figures ---

    def _count(self) -> None:
        """Start the thread that counts, unless it lives."""
        if self._figures is None or not self._figures.is_alive():
            self._figures = FiguresThread()
            self._figures.start()

    # --- Due rows ---

    def publish_due(self) -> int:
        """Publish delayed rows that are due. Return their number."""
        published = 0
        while TaskStatus.objects.due().filter(delayed=True).exists():
            rows = ledger.take_due(limit=PAGE)
            published += self._audit.publish([row for row in rows if row.line is None])
            self.broker.wire.tell_lines({(row.task_name, row.line) for row in rows if row.line is not None})
            if len(rows) < PAGE:
                break
        return published

    # --- Lost messages ---

    def audit(self) -> int:
        """Publish every due row whose message no worker would get. Return their number."""
        return self._audit.run()

    def is_new_redis(self) -> bool:
        """Return whether Redis was wiped or replaced since the last pass: its epoch key is gone or another one."""
        known, self._epoch = self._epoch, self.broker.wire.epoch()
        return known != self._epoch

    def look_around(self) -> None:
        """Tell if another database uses the namespace: its workers take the messages of these tasks, and drop them."""
        neighbours.announce(self.broker.wire)
        found = set(neighbours.strangers(self.broker.wire))
        if found and not self._strangers:
            logger.error(
                "another database uses the namespace namespace=%s database=%s other=%s. Give each database a "
                "DRAMATIQ_NAMESPACE of its own.",
                self.broker.namespace, connection.settings_dict["NAME"], ", ".join(sorted(found)),
            )  # fmt: skip
        self._strangers = found

    # --- Dead workers ---

    def rescue(self) -> int:
        """Take tasks back from dead workers. Return the number of tasks that are pending again."""
        for worker in presence.living():
            if self._is_dead(worker) and presence.stop(worker.pk):
                if worker.kind == WorkerProcess.KIND_WORKER:
                    logger.error("worker died worker=%s host=%s pid=%d", worker.pk, worker.hostname, worker.pid)
                else:
                    logger.error("%s died host=%s pid=%d", worker.kind, worker.hostname, worker.pid)
        self._last_look = time.monotonic()
        returned = 0
        for worker_id in presence.dead_holders():
            rescued, poisoned = ledger.rescue(worker_id, max_crashes=conf.TASK_MAX_CRASHES)
            logger.warning("rescued worker=%s pending=%d failed=%d", worker_id, rescued, poisoned)
            returned += rescued
        self._requeue(DEAD_FOR)
        return returned

    def tell_stalls(self) -> None:
        """Log each worker that lives and takes nothing although tasks are due, once, and when it works again."""
        workers = list(WorkerProcess.objects.workers().beating().with_idle_time())
        known = self.broker.get_declared_queues()
        # Due rows are read only if a worker is idle.
        untaken = health.oldest_due()[1] if any(map(stalls.is_idle, workers)) else {}
        paused = pauses.names()[0] if untaken else ()
        found = {worker.pk: worker for worker in stalls.stalled(workers, untaken, known=known, paused=paused)}
        for pk in found.keys() - self._stalled:
            worker = found[pk]
            logger.error(
                "worker lives and takes nothing worker=%s host=%s pid=%d trouble=%s",
                pk, worker.hostname, worker.pid, worker.trouble or "idle",
            )  # fmt: skip
        for worker in workers:
            if worker.pk in self._stalled - found.keys():
                logger.info("worker takes tasks again worker=%s", worker.pk)
        self._stalled = set(found)

    def _requeue(self, time: timedelta) -> None:
        """Requeue the messages that workers had fetched which stopped within that time."""
        queues = self.broker.get_declared_queues()
        stopped = [(queue, worker.broker_id) for worker in presence.stopped_within(time) for queue in queues]
        for page in chunks(stopped, PAGE):
            # One command if they left nothing, which is usual.
            if self.broker.wire.has_fetched(page):
                for queue_name, broker_id in page:
                    self.broker.wire.requeue(queue_name, broker_id)

    def _is_dead(self, worker: WorkerProcess) -> bool:
        """Judge a worker of this host by its process, any other by its heartbeat."""
        if worker.host == self.host:
            if not identity.is_running(worker.pid, worker.process_started):
                return True
            if not identity.is_stopped(worker.pid):
                # Alive though silent: busy in C code, or waiting for a lock.
                self.sightings.pop(worker.pk, None)
                return False
        now = time.monotonic()
        if now - self._last_look > GAP_SECONDS:
            # This relay was away itself: the silence of workers meanwhile does not count.
            self.sightings.clear()
            self._last_look = now
        seen = self.sightings.get(worker.pk)
        if seen is None or seen.beats != worker.beats:
            self.sightings[worker.pk] = Sighting(beats=worker.beats, since=now)
            return False
        return now - seen.since > conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS

    # --- Groups ---

    def settle_groups(self) -> int:
        """Send the callbacks of groups whose members have ended, however they did. Return their number."""
        return group_callbacks.settle(self.broker)

    # --- Old rows ---

    def delete_old(self) -> None:
        """Delete tasks that ended long ago and are counted, a few in each pass while there are any."""
        began = time.monotonic()
        if began < self._delete_at:
            return
        done = self._retention
        if done.work(kept(self.broker.actors), seconds=DELETE_SECONDS, before=figures.settled_until()):
            ended = time.monotonic()
            self._delete_at = ended + (ended - began) * DELETE_REST
            return
        self._delete_at = time.monotonic() + REST_SECONDS
        if done.deleted or done.emptied:
            logger.info("old tasks deleted count=%d results=%d", done.deleted, done.emptied)
        done.deleted = done.emptied = 0

    def forget(self) -> int:
        """Delete old rows: of stopped workers, ended groups and alerts, keys of tasks, uncounted starts, notes."""
        ledger.forget_starts()
        if conf.TASK_KEEP_AUDIT_DAYS:
            audit.forget(older_than=timedelta(days=conf.TASK_KEEP_AUDIT_DAYS))
        stacks.forget(older_than=STACKS_KEPT_FOR)
        forgotten = presence.forget(older_than=KEPT_FOR) + ledger.forget_groups(older_than=KEPT_FOR)
        return forgotten + ledger.forget_keys() + ledger.forget_children() + checking.forget()
