"""A thread that judges the worker processes of a supervisor, and shows the verdict to the platform."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import redis
from django.db import DatabaseError, InterfaceError

from apps.core.connections import close_broken, statement_timeout
from apps.tasks import health, stalls
from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess
from workers.health import write_to_redis
from workers.process import identity

logger = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK_SECONDS = 2.0
#: Seconds that a process may take to start, or to find its way back when a server is back.
START_SECONDS = 30.0
#: Seconds that a look may take in the database.
STATEMENT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Answer to whether a restart is wanted.

    Parameters:
      failures: Why a process does not work. Empty: all work.
      waits_for: Servers that did not answer. A restart would not mend them.
    """

    failures: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()

    @property
    def is_alive(self) -> bool:
        """Whether no restart is wanted."""
        return not self.failures


class Door(Protocol):
    """A way in which a platform asks."""

    def show(self, verdict: Verdict) -> None:
        """Show the verdict from now on."""

    def close(self) -> None:
        """Take the way down, at the end of the process."""


class Probe(threading.Thread):
    """Judges worker processes of this host by their rows.

    Parameters:
      pids: Returns the pids of the processes.
      broker: The broker, for its queues and for Redis.
    """

    def __init__(self, pids: Callable[[], Iterable[int]], *, broker: Any, doors: Sequence[Door]) -> None:
        super().__init__(name="probe", daemon=True)
        self.pids = pids
        self.broker = broker
        self.doors = doors
        self._host = identity.host()
        self._ended = threading.Event()
        #: Last beat of each process, and of any, by the monotonic clock. Before the first, the time to start in.
        self.seen: dict[int, float] = {}
        self.worked_at = time.monotonic() + START_SECONDS
        self._shown = Verdict()

    def stop(self) -> None:
        """End the thread and take the doors down."""
        self._ended.set()
        for door in self.doors:
            door.close()

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()
        close_broken()

    def look(self) -> Verdict:
        """Judge, show the verdict, and return it."""
        try:
            verdict = self._judge()
        except (DatabaseError, InterfaceError):
            close_broken()
            verdict = self._excused("database")
        except redis.RedisError:
            verdict = self._excused("redis")
        except BaseException:
            # The thread must go on. A verdict that cannot be found is no reason to end the processes.
            logger.exception("probe failed")
            close_broken()
            verdict = self._excused("probe")
        if verdict.failures and verdict != self._shown:
            logger.error("probe fails reasons=%s", "; ".join(verdict.failures))
        elif verdict.is_alive and not self._shown.is_alive:
            logger.info("probe succeeds again")
        self._shown = verdict
        if not self._ended.is_set():
            for door in self.doors:
                door.show(verdict)
        return verdict

    def _excused(self, server: str) -> Verdict:
        """Return a verdict without a failure. All processes get their whole time once the server is back."""
        self.seen.clear()
        self.worked_at = time.monotonic() + START_SECONDS
        return Verdict(waits_for=(server,))

    def _judge(self) -> Verdict:
        now = time.monotonic()
        pids = list(self.pids())
        self.seen = {pid: self.seen.get(pid, now + START_SECONDS) for pid in pids}
        with statement_timeout(STATEMENT_SECONDS):
            living = WorkerProcess.objects.workers().filter(host=self._host, pid__in=pids, stopped_at=None)
            found = [row for row in living.with_idle_time() if identity.is_running(row.pid, row.process_started)]
            beating = set(living.beating().values_list("pid", flat=True))
        rows = {row.pid: row for row in found if row.pid in beating}
        failures = []
        for pid, row in rows.items():
            if row.trouble:
                failures.append(f"worker {pid}: {WorkerProcess.TROUBLES.get(row.trouble, row.trouble)}")
        for pid in pids:
            if pid in rows:
                self.worked_at = self.seen[pid] = now
            elif now - self.seen[pid] >= conf.WORKER_STALL_SECONDS:
                failures.append(f"worker {pid}: It does not beat")
        if now - self.worked_at >= conf.WORKER_STALL_SECONDS and not failures:
            failures.append("No worker process starts")
        idle = [row for row in rows.values() if not row.trouble and stalls.is_idle(row)]
        if not failures and idle:
            failures += self._stalls(idle)
        return Verdict(failures=tuple(failures))

    def _stalls(self, idle: list[WorkerProcess]) -> list[str]:
        with statement_timeout(STATEMENT_SECONDS):
            _, untaken = health.oldest_due()
        found = stalls.stalled(idle, untaken, known=self.broker.get_declared_queues())
        if found:
            # A Redis that takes no write has no messages for them.
            write_to_redis()
            present = {name: seconds for name, seconds in untaken.items() if self._is_present(name, found)}
            found = stalls.stalled(found, present, known=self.broker.get_declared_queues())
        return [f"worker {row.pid}: It takes no task, although tasks are due" for row in found]

    def _is_present(self, queue_name: str, idle: list[WorkerProcess]) -> bool:
        """Return whether Redis has messages of a queue for these processes. A relay publishes lost ones again."""
        count = self.broker.wire.contents.count(queue_name, [row.broker_id for row in idle])
        return bool(count.waiting or count.fetched)
