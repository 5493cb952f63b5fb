"""Admission: a relay's thread that gives limited tasks their places and takes back those that were set aside."""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.db import DatabaseError, InterfaceError
from dramatiq import Actor

from apps.core.connections import close_broken, own
from apps.tasks import ledger, pauses, presence
from apps.tasks.limits import declared, stored
from apps.tasks.limits.declared import Limits
from apps.tasks.models import WorkerProcess
from apps.tasks.statements import lines
from workers.process.writer import is_data_error
from workers.wire.errors import UNREACHABLE
from workers.wire.queue import WireQueue

logger = logging.getLogger(__name__)

#: Seconds between two looks at all lines. In between, the relay looks at those that senders and workers name.
LOOK_SECONDS = 0.5
#: Pause after such a look, at least, in multiples of its duration.
LOOK_REST = 10
#: Longest wait for a bell, in seconds.
BELL_SECONDS = 0.5
#: Seconds by which Redis may end a wait late.
COARSE_SECONDS = 0.1
#: Seconds of a wait without a bell, shortly before a rate has a place again.
FINE_SECONDS = 0.01
#: Seconds between two looks at the living workers.
WORKERS_SECONDS = 2.0
#: Seconds until a line is looked at again whose limit another transaction has locked.
LOCKED_SECONDS = 0.05
#: Lines of an actor whose tasks are counted, at most.
MOST_COUNTS = 100_000
#: Seconds that the thread waits after the database or Redis failed.
PAUSE_SECONDS = 0.5
#: Seconds without a look at all lines after which the thread counts as stuck.
STUCK_SECONDS = 30.0


class Admissions(threading.Thread):
    """Looks at the lines of limited tasks whenever one may have a place.

    Any number of relays may do this: the row of a limit is locked while its places are given.

    Parameters:
      publish: Publishes rows that are due, as `Audit.publish` does.
      actors: The known actors by name.
    """

    def __init__(
        self,
        wire: WireQueue,
        *,
        actors: Mapping[str, Actor[..., Any]],
        publish: Callable[[Collection[ledger.Waiting]], int],
    ) -> None:
        super().__init__(name="admission", daemon=True)
        self.wire = wire
        self.actors = actors
        self.publish = publish
        self._ended = threading.Event()
        #: The declared limits that the rows have, by actor.
        self._stored: dict[str, Limits] = {}
        #: Number of tasks that were admitted, by actor and line.
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        #: An actor has more tasks to admit than one transaction takes.
        self.is_unfinished = False
        #: Actors whose limit could not be read the last time.
        self._broken: set[str] = set()
        self._workers: list[WorkerProcess] = []
        self._workers_at = 0.0
        #: Paused actors, as of the last look at all lines.
        self._paused: frozenset[str] = frozenset()
        self._look_at = 0.0
        self._looked_at = time.monotonic()
        #: Times, by the monotonic clock, at which rates have a place again.
        self._again: dict[tuple[str, str], float] = {}

    @property
    def is_working(self) -> bool:
        """Whether the thread lives and has looked at all lines lately, or could not for want of a server."""
        return self.is_alive() and time.monotonic() - self._looked_at < STUCK_SECONDS

    def end(self) -> None:
        """Let the thread end after its look, or at once if it waits."""
        self._ended.set()
        self.wire.tell_lines([("", "")])  # A line that no actor has. It ends the wait of this relay, or of another.

    def run(self) -> None:
        own(repeats=True)
        while not self._ended.is_set():
            try:
                self.look_at(self._due())
                if time.monotonic() >= self._look_at:
                    self.look_at_all()
            except (DatabaseError, InterfaceError) as error:
                logger.error("admission waits, database does not answer error=%s", error)
                self._pause()
            except UNREACHABLE as error:
                logger.debug("admission waits, redis does not answer error=%s", error)
                self._pause()
            except BaseException:
                # The thread must go on: without it no limited task would start.
                logger.exception("admission failed")
                self._pause()
        close_broken()

    def _pause(self) -> None:
        close_broken()
        self._looked_at = time.monotonic()
        self._ended.wait(PAUSE_SECONDS)

    # --- Looks ---

    def look_at_all(self) -> int:
        """Look at every line in which a task waits. Return the number of admitted tasks."""
        self._store_declared()
        began, admitted, self.is_unfinished = time.monotonic(), 0, False
        failed: Exception | None = None
        names = lines.actors()
        self._paused = pauses.names()[1] if names else frozenset()
        for task_name in names:
            try:
                admitted += self._admit(task_name) + self._take_back(task_name)
            except (DatabaseError, InterfaceError) as error:
                # Perhaps only this actor's rows are at fault.
                close_broken()
                failed = error
        if failed is not None:
            raise failed
        now = self._looked_at = time.monotonic()
        self._look_at = now if self.is_unfinished else now + max(LOOK_SECONDS, LOOK_REST * (now - began))
        return admitted

    def look_at(self, found: Collection[tuple[str, str]]) -> int:
        """Look at lines, given as pairs of actor and line. Return the number of admitted tasks."""
        self._store_declared()
        by_actor: defaultdict[str, list[str]] = defaultdict(list)
        for task_name, line in found:
            by_actor[task_name].append(line)
        return sum(self._admit(task_name, names) for task_name, names in by_actor.items())

    def _admit(self, task_name: str, names: Collection[str] | None = None) -> int:
        """Admit the tasks of an actor that have a place. A limit that cannot be read does not hold up the others.

        One with very many is looked at again, after the others.
        """
        admitted, after = 0, None
        if task_name in self._paused:
            return 0
        try:
            while True:
                found = self._admit_page(task_name, names, after=after)
                admitted += len(found.rows)
                self._looked_at = time.monotonic()
                if found.is_full:
                    self.is_unfinished, self._look_at = True, 0.0
                    break
                after = found.last_line
                if after is None:
                    break
        except UNREACHABLE:
            raise
        except Exception as error:
            if not is_data_error(error):
                raise
            if task_name not in self._broken:
                logger.exception("limited tasks wait, their limit cannot be read actor=%s", task_name)
            self._broken.add(task_name)
            close_broken()
        else:
            self._broken.discard(task_name)
        return admitted

    def _take_back(self, task_name: str) -> int:
        """Publish the tasks that were set aside, unless their actor is paused. Return their number."""
        if task_name in self._paused:
            return 0
        found = ledger.take_back(task_name)
        if len(found) == ledger.ASIDE_PAGE:
            self.is_unfinished = True
        if found:
            self.publish(found)
        return len(found)

    def _admit_page(self, task_name: str, names: Collection[str] | None, *, after: str | None) -> ledger.Admission:
        actor = self.actors.get(task_name)
        counts = self._counts[task_name]
        if len(counts) > MOST_COUNTS:
            counts.clear()
        admission = ledger.admit(
            task_name,
            names,
            after=after,
            threads=self._count_threads(None if actor is None else actor.queue_name),
            counts=counts,
            is_limited=declared.of(task_name) is not None,
            is_known=actor is not None,
        )
        now = time.monotonic()
        if admission.is_locked or admission.lacks_limit:
            if admission.lacks_limit:
                stored.update()
            for line in names or ():
                self._again[task_name, line] = now + LOCKED_SECONDS
            return admission
        for line, again_ms in admission.again_ms.items():
            self._again[task_name, line] = now + again_ms / 1000
        if admission.rows:
            self.publish(admission.rows)
        return admission

    def _store_declared(self) -> None:
        if self._stored != (found := declared.all_of_them()):
            stored.update()
            self._stored = found

    def _count_threads(self, queue_name: str | None) -> int:
        """Return the number of threads of the living workers that take from a queue."""
        now = time.monotonic()
        if now >= self._workers_at:
            self._workers = [one for one in presence.living() if one.kind == WorkerProcess.KIND_WORKER]
            self._workers_at = now + WORKERS_SECONDS
        return sum(
            one.threads for one in self._workers if not one.queue_names or queue_name in (None, *one.queue_names)
        )

    def _due(self) -> set[tuple[str, str]]:
        """Return the lines that may have a place: their names were sent to the relay, or their rate has one again."""
        wait_seconds = min([self._look_at, *self._again.values()]) - time.monotonic()
        if wait_seconds <= 2 * COARSE_SECONDS:
            self._ended.wait(min(max(wait_seconds, 0), FINE_SECONDS))
            found = set(self.wire.take_lines())
        else:
            found = set(self.wire.wait_for_lines(timeout_seconds=min(wait_seconds - COARSE_SECONDS, BELL_SECONDS)))
        now = time.monotonic()
        for line in [line for line, at in self._again.items() if at <= now]:
            del self._again[line]
            found.add(line)
        return found
