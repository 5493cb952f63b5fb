"""A run of benchmarks: its servers, systems, amounts and log."""

import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from benchmarks.rig.servers import REDIS_DATABASES, DurableServers, fsync_ms
from benchmarks.rig.setup import Setup
from benchmarks.rig.system import System
from tests.servers import STRAY_VARIABLES

ROUNDS = 3
#: Variables of a quick run: a vanished host is declared dead sooner.
QUICK_VARIABLES = {"WORKER_HEARTBEAT_TIMEOUT_SECONDS": "2"}


class Rig:
    """One run. As a context manager it starts the servers, and at its end stops all processes.

    Parameters:
      is_quick: Measure very little, only to see that everything works.
      rows: Number of rows of a full table. None: the benchmark's own.
    """

    def __init__(self, *, is_quick: bool, rows: int | None = None) -> None:
        self.is_quick = is_quick
        self.rows = rows
        self.servers = DurableServers(postgres=True)
        self._systems: dict[str, System] = {}
        self._left_out: set[str] = set()

    def __enter__(self) -> "Rig":
        try:
            for name in (*STRAY_VARIABLES, "DJANGO_SETTINGS_MODULE"):
                os.environ.pop(name, None)
            os.environ.update(self.servers.environment)
            os.environ.update(QUICK_VARIABLES if self.is_quick else {})
            self.servers.start()
            for line in self.head():
                self.log(line)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes and remove all files."""
        try:
            for system in self._systems.values():
                system.ask_to_end()
            for system in self._systems.values():
                system.end()
        finally:
            self.servers.stop()

    # --- Amounts ---

    def amount(self, full: int, *, quick: int) -> int:
        """Return the number for this kind of run."""
        return quick if self.is_quick else full

    def rounds(self) -> Iterator[int]:
        """Yield the numbers of the rounds. Every system has its turn in each."""
        yield from range(1, (1 if self.is_quick else ROUNDS) + 1)

    # --- Systems ---

    def systems(self, *setups: Setup) -> list[System]:
        """Return the systems, ready. Those with missing packages are left out."""
        made = [self._made(setup) for setup in setups if self.is_available(setup)]
        return [system.ready() for system in made]

    def system(self, setup: Setup) -> System:
        """Return one system, ready. It is made at the first call."""
        return self._made(setup).ready()

    def _made(self, setup: Setup) -> System:
        if setup.name not in self._systems:
            number = len(self._systems)
            if number >= REDIS_DATABASES:
                raise ValueError(f"Redis has {REDIS_DATABASES} databases, one for each system")
            slug = re.sub(r"\W+", "-", setup.name.lower())
            directory = self.servers.directory / slug
            directory.mkdir()
            self._systems[setup.name] = System(
                setup,
                directory=directory,
                database_url=self._database_url(setup, slug=slug, directory=directory),
                redis_url=self.servers.redis_url.removesuffix("/0") + f"/{number}",
                watchdog=self.servers.watchdog,
                keeps=self.is_quick,
            )
        return self._systems[setup.name]

    def _database_url(self, setup: Setup, *, slug: str, directory: Path) -> str:
        if setup.database == "sqlite":
            return f"sqlite:///{directory / 'db.sqlite3'}"
        # Systems without rows have a database for transactions that send.
        assert self.servers.postgres is not None
        return self.servers.postgres.create_database(slug)

    def is_available(self, setup: Setup) -> bool:
        """Return whether the packages of a system are installed."""
        if setup.missing and setup.name not in self._left_out:
            self._left_out.add(setup.name)
            self.log(f"{setup.name} is left out: requirements-bench.txt is not installed ({', '.join(setup.missing)})")
        return not setup.missing

    # --- The log ---

    def head(self) -> list[str]:
        """Return the lines at the head of a run: servers, machine, disk and load."""
        fsync = f"fsync of 8 kB: {fsync_ms(self.servers.directory):.2f} ms"
        machine = (
            f"machine: {os.cpu_count()} processors, {platform.machine()}, {platform.system()} {platform.release()}"
        )
        load = f"load before the run: {os.getloadavg()[0]:.2f}"
        return [*self.servers.versions, machine, fsync, load]

    def log(self, text: str) -> None:
        """Write a line to the standard error. The standard output has the figures only."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    def log_round(self, question: str, number: int, system: System, text: str) -> None:
        self.log(f"{question}, round {number}: {system.name}: {text}")
