"""All that a run of benchmarks shares: servers, systems, how much is measured, and what is said meanwhile."""

import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.rig.servers import DurableServers, fsync_ms
from benchmarks.rig.setup import Setup
from benchmarks.rig.system import System
from tests.servers import STRAY_VARIABLES

ROUNDS = 3
#: What makes a quick run quicker: a host is known to have vanished sooner.
QUICK_VARIABLES = {"WORKER_HEARTBEAT_TIMEOUT_SECONDS": "2"}


class Rig:
    """One run. As a context manager it starts the servers and ends all that it started.

    Parameters:
      is_quick: Measure so little that the figures mean nothing: does it all work?
    """

    def __init__(self, *, is_quick: bool) -> None:
        self.is_quick = is_quick
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
                self.say(line)
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

    # --- How much ---

    def amount(self, full: int, *, quick: int) -> int:
        return quick if self.is_quick else full

    def rounds(self) -> Iterator[int]:
        """The rounds, in each of which every system has its turn."""
        yield from range(1, (1 if self.is_quick else ROUNDS) + 1)

    # --- Who ---

    def systems(self, *setups: Setup) -> list[System]:
        """These systems, ready; those whose packages are missing are left out."""
        made = [self._made(setup) for setup in setups if self.has(setup)]
        return [system.ready() for system in made]

    def system(self, setup: Setup) -> System:
        """One system; made when it is asked for the first time."""
        return self._made(setup).ready()

    def _made(self, setup: Setup) -> System:
        if setup.name not in self._systems:
            number = len(self._systems)
            if number > 15:
                raise ValueError("Redis has 16 databases, one for each system")
            slug = re.sub(r"\W+", "-", setup.name.lower())
            directory = self.servers.directory / slug
            directory.mkdir()
            assert self.servers.watchdog is not None
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
        # Those that track nothing have a database too, for transactions that send.
        assert self.servers.postgres is not None
        return self.servers.postgres.create_database(slug)

    def has(self, setup: Setup) -> bool:
        if setup.missing and setup.name not in self._left_out:
            self._left_out.add(setup.name)
            self.say(f"{setup.name} is left out: requirements-bench.txt is not installed ({', '.join(setup.missing)})")
        return not setup.missing

    # --- What is said ---

    def head(self) -> list[str]:
        """What it runs on."""
        fsync = f"fsync of 8 kB: {fsync_ms(self.servers.directory):.2f} ms"
        machine = (
            f"machine: {os.cpu_count()} processors, {platform.machine()}, {platform.system()} {platform.release()}"
        )
        load = f"load before the run: {os.getloadavg()[0]:.2f}"
        return [*self.servers.versions, machine, fsync, load]

    def say(self, text: str) -> None:
        """Tell whoever waits how it goes; the figures alone are on the standard output."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    def tell(self, question: str, number: int, system: System, text: str) -> None:
        self.say(f"{question}, round {number}: {system.name}: {text}")


def names(systems: Sequence[System]) -> list[str]:
    return [system.name for system in systems]
