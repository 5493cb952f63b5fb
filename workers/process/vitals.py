"""Figures of a worker process that its heartbeat writes: its load, and whether it can work."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from dramatiq import Actor, Worker

from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess
from apps.tasks.values import Vitals
from workers.process import memory
from workers.process.consumer import LedgerConsumer
from workers.process.holdings import Holdings
from workers.process.time_limits import is_overdue
from workers.process.writer import Writer


class VitalSigns:
    """Reads the vitals of this process. It waits for nothing.

    Parameters:
      worker: Dramatiq's worker, which has the consumers.
      actors: The known actors by name.
      is_ending: Returns whether the process takes no more tasks, as it stops or is to be replaced.
      is_quiet: Returns whether it takes no tasks, as an operator asked.
      is_fresh: Returns whether a heartbeat was confirmed lately. While none is, the database is to blame.
    """

    def __init__(
        self,
        holdings: Holdings,
        writer: Writer,
        worker: Worker,
        *,
        actors: Mapping[str, Actor[..., Any]],
        is_ending: Callable[[], bool],
        is_quiet: Callable[[], bool] = lambda: False,
        is_fresh: Callable[[], bool] = lambda: True,
    ) -> None:
        self.holdings = holdings
        self.writer = writer
        self.worker = worker
        self.actors = actors
        self.is_ending = is_ending
        self.is_quiet = is_quiet
        self.is_fresh = is_fresh
        #: Last time at which the database was to blame, by the monotonic clock.
        self.excused_at = time.monotonic()
        #: Last time at which the process was seen without a thread for a task, by the monotonic clock.
        self.full_at = -math.inf

    def read(self) -> Vitals:
        """Return the vitals of now."""
        running = self.holdings.running()
        busy_threads = sum(attempt.function is None for attempt in running)
        places = self.holdings.in_place.threads
        # Threads whose tasks hang are as good as none.
        hang = all(is_overdue(attempt, self.actors) for attempt in running)
        is_full = busy_threads >= self.holdings.threads or 0 < places <= len(running) - busy_threads
        # A suspect may keep other suspects waiting for as long as it runs.
        is_full = is_full or any(attempt.is_suspect for attempt in running)
        if not hang and (is_full or self.is_ending()):
            self.full_at = time.monotonic()
        return Vitals(
            memory_mb=memory.resident_mb(),
            busy_threads=busy_threads,
            tasks_done=self.holdings.done,
            untaken_ms=self._untaken_ms(),
            trouble=self._trouble(),
            is_quiet=self.is_quiet(),
        )

    def _untaken_ms(self) -> float | None:
        taken_at = max(self.full_at, -math.inf if self.holdings.taken_at is None else self.holdings.taken_at)
        return None if taken_at == -math.inf else (time.monotonic() - taken_at) * 1000

    def _trouble(self) -> str:
        now = time.monotonic()
        if not self.is_fresh():
            self.excused_at = now
        since = now - conf.WORKER_STALL_SECONDS
        if self.excused_at > since:
            return ""
        if self.writer.well_at < since:
            return WorkerProcess.TROUBLE_WRITER
        consumers = [thread.consumer for thread in list(self.worker.consumers.values())]
        # The consumers of a process that stops have ended.
        if not self.is_ending() and any(isinstance(one, LedgerConsumer) and one.well_at < since for one in consumers):
            return WorkerProcess.TROUBLE_CLAIMS
        return ""
