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

#: Number of tasks that a system runs before it is measured, and the seconds that each takes.
WARM_UP_TASKS = 32
WARM_UP_SECONDS = 0.01
#: Processes, threads and variables that workers are started with.
Key = tuple[int, int, tuple[tuple[str, str], ...]]
#: Seconds until each process of a system must have taken a task. On a busy machine a process starts late.
WARM_UP_LIMIT_SECONDS = 60


class System:
    """One system, ready to be measured.

    Parameters:
      keeps: Keep workers running for the next benchmark, which saves the time of their start.
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
        #: Kept workers by the parameters of their start, and whether they have run a first few tasks.
        self._kept: dict[Key, tuple[Workers, bool]] = {}
        self._running: list[Workers] = []
        self._is_ready = False
        self.driver.ask("prepare")

    def ready(self) -> "System":
        """Return the system once its tables exist."""
        if not self._is_ready:
            self.driver.answer()
            self._is_ready = True
        return self

    def call(self, name: str, **arguments: Any) -> Any:
        """Call a method of `benchmarks.rig.driver.Calls` in the sender and return its result."""
        return self.driver.call(name, **arguments)

    def take_numbers(self, count: int) -> int:
        """Reserve numbers that no task has had. Return the first."""
        first, self._first = self._first, self._first + count
        return first

    def send(self, task: str, *arguments: Any, count: int = 1) -> int:
        """Send tasks. Return the number of the first."""
        first = self.take_numbers(count)
        self.call("enqueue", task=task, first=first, count=count, arguments=arguments)
        return first

    def clear(self) -> None:
        """Delete all tasks, unless workers run."""
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
        """Run workers. Each of their processes has run a first few tasks.

        Parameters:
          is_cold: Do not send them the first few tasks.
          commands: Commands to start instead of the set-up's.
          variables: Additional variables of their environment.
        """
        key = (processes, threads, tuple(sorted((variables or {}).items())))
        # Kept workers run the set-up's commands.
        kept = None if commands else self._kept.pop(key, None)
        workers, is_warm = kept if kept else (self._start(key, commands), False)
        self._stop_kept()  # Other workers of this system would take its tasks.
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
        """Start workers that will be kept, so that they boot while other systems are measured."""
        key = (processes, threads, ())
        if self.keeps and key not in self._kept:
            self._stop_kept()
            self.clear()
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
        """Return once this number of their processes have run a task, and all tasks are done."""
        workers.look()
        deadline = time.monotonic() + WARM_UP_LIMIT_SECONDS
        while True:
            first = self.send("rest", WARM_UP_SECONDS, count=WARM_UP_TASKS)
            workers.wait_for_marks(first, WARM_UP_TASKS)
            alive = {process.pid for process in workers.processes()}
            if len(workers.pids_that_ran() & alive) >= processes:
                break
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{self.name}: not each of {processes} processes took a task within {WARM_UP_LIMIT_SECONDS} s"
                )
        self.settle(workers)

    def settle(self, workers: Workers) -> None:
        """Return once no row is unfinished. For a peer, once its rows do not change any more."""
        if self.setup.is_ours:
            workers.wait_for(lambda: self.call("is_done", count=0), awaited=f"{self.name}: all tasks are done")
        elif self.setup.done:
            seen = None
            while seen != (seen := self.call("states")):
                time.sleep(0.2)

    def stop(self, workers: Workers, *, kill: bool = False) -> None:
        if workers in self._running:
            self._running.remove(workers)
            workers.stop(kill=kill)

    def ask_to_end(self) -> None:
        """Ask its workers to stop without waiting for them."""
        for workers in self._running:
            workers.ask_to_stop()

    def end(self) -> None:
        for workers in list(self._running):
            # A quick run does not wait until peers have stopped.
            self.stop(workers, kill=self.keeps and not self.setup.is_ours)
        self.driver.end()
