"""A system of this run: its database, its Redis database, its sender and its workers."""

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import redis

from benchmarks.rig import journal
from benchmarks.rig.driver import Driver
from benchmarks.rig.setup import Setup
from benchmarks.rig.workers import Workers
from tests.commands import environment
from workers.supervision.watchdog import Watchdog

#: Tasks that a system runs before it is measured, and how long each takes.
WARM_UP_TASKS = 32
WARM_UP_SECONDS = 0.01
#: Processes, threads and variables that workers are started with.
Key = tuple[int, int, tuple[tuple[str, str], ...]]
#: How long a system may take until each of its processes has taken a task. On a busy machine one starts late.
WARM_UP_LIMIT_SECONDS = 60


class System:
    """One system, ready to be measured.

    Parameters:
      numbers: Where the numbers of its tasks come from, from 1 on.
      keeps: Let workers run on for the next benchmark, which saves the time of their start.
    """

    def __init__(
        self, setup: Setup, *, directory: Path, database_url: str, redis_url: str, watchdog: Watchdog, keeps: bool
    ) -> None:
        self.setup = setup
        self.name = setup.name
        self.directory = directory
        self.redis_url = redis_url
        self.watchdog = watchdog
        self.keeps = keeps
        self.env = environment(
            DATABASE_URL=database_url, REDIS_URL=redis_url, **setup.variables, **{journal.VARIABLE: str(directory)}
        )
        self.driver = Driver(setup.module, env=self.env, log=directory / "driver.log", watchdog=watchdog)
        self._first = 1
        self._runs = itertools.count()
        #: Workers that run on, by what they were started with, and whether they have run a first few tasks.
        self._kept: dict[Key, tuple[Workers, bool]] = {}
        self._running: list[Workers] = []
        self._is_ready = False
        self.driver.ask("prepare")

    def ready(self) -> "System":
        """Return once its tables are there."""
        if not self._is_ready:
            self.driver.answer()
            self._is_ready = True
        return self

    def call(self, name: str, **arguments: Any) -> Any:
        """Tell the sender to do something; see `benchmarks.rig.driver.Calls`."""
        return self.driver.call(name, **arguments)

    def take_numbers(self, count: int) -> int:
        """The first of so many numbers that no task has had."""
        first, self._first = self._first, self._first + count
        return first

    def send(self, task: str, *arguments: Any, count: int = 1) -> int:
        """Send tasks; return the first one's number."""
        first = self.take_numbers(count)
        self.call("enqueue", task=task, first=first, count=count, arguments=arguments)
        return first

    def clear(self) -> None:
        """Forget all tasks, where no worker runs that may be at them."""
        if not self._running:
            self.call("clear")
            with redis.Redis.from_url(self.redis_url) as client:
                client.flushdb()

    # --- Workers ---

    @contextlib.contextmanager
    def workers(
        self,
        *,
        processes: int = 2,
        threads: int = 8,
        is_cold: bool = False,
        commands: Sequence[tuple[str, ...]] = (),
        variables: Mapping[str, str] | None = None,
    ) -> Iterator[Workers]:
        """Workers that have run a first few tasks in each process.

        Parameters:
          is_cold: Do not wait, and send them nothing.
          commands: What to start instead of what the set-up says.
          variables: More of their environment.
        """
        key = (processes, threads, tuple(sorted((variables or {}).items())))
        # Those that are kept run what the set-up says.
        kept = None if commands else self._kept.pop(key, None)
        workers, is_warm = kept if kept else (self._start(key, commands), False)
        self._stop_kept()  # Others of this system would take its tasks.
        keeps = False
        try:
            if not is_cold and not is_warm:
                self.warm_up(workers, processes=processes)
            yield workers
            keeps = self.keeps and not is_cold and not commands
        finally:
            if keeps:
                self._kept[key] = workers, True
            else:
                self.stop(workers)

    def start_early(self, *, processes: int = 2, threads: int = 8) -> None:
        """Where workers are kept: start them, so that they boot while other systems are measured."""
        key = (processes, threads, ())
        if self.keeps and key not in self._kept:
            self._stop_kept()
            self._kept[key] = self._start(key), False

    def _start(self, key: Key, commands: Sequence[tuple[str, ...]] = ()) -> Workers:
        processes, threads, variables = key
        place = self.directory / f"workers-{next(self._runs)}"
        place.mkdir()
        workers = Workers(
            list(commands) or self.setup.workers(processes, threads),
            env=self.env | dict(variables) | {journal.VARIABLE: str(place)},
            journal=place,
            log=self.directory / f"{place.name}.log",
            watchdog=self.watchdog,
        )
        self._running.append(workers)
        return workers

    def _stop_kept(self) -> None:
        for workers, _ in self._kept.values():
            self.stop(workers)
        self._kept.clear()

    def warm_up(self, workers: Workers, *, processes: int) -> None:
        """Return when so many of their processes have run a task, and all tasks are done."""
        workers.look()
        deadline = time.monotonic() + WARM_UP_LIMIT_SECONDS
        while True:
            first = self.send("rest", WARM_UP_SECONDS, count=WARM_UP_TASKS)
            workers.wait_for_marks(first, WARM_UP_TASKS)
            alive = {process.pid for process in workers.processes()}
            if len(workers.who_ran() & alive) >= processes:
                break
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{self.name}: {processes} processes took no task each in {WARM_UP_LIMIT_SECONDS} s"
                )
        self.settle(workers)

    def settle(self, workers: Workers) -> None:
        """Return when no row is unfinished; for a peer, when its rows do not change any more."""
        if self.setup.is_ours:
            workers.wait_for(lambda: self.call("is_done", count=0), what=f"{self.name}: all tasks are done")
        elif self.setup.done:
            seen = None
            while seen != (seen := self.call("states")):
                time.sleep(0.2)

    def stop(self, workers: Workers, *, kill: bool = False) -> None:
        if workers in self._running:
            self._running.remove(workers)
            workers.stop(kill=kill)

    def ask_to_end(self) -> None:
        """Ask its workers to stop, and do not wait for it."""
        for workers in self._running:
            workers.ask_to_stop()

    def end(self) -> None:
        for workers in list(self._running):
            # A quick run does not wait until peers have said good-bye.
            self.stop(workers, kill=self.keeps and not self.setup.is_ours)
        self.driver.end()
