"""The servers and processes of a storm. Each can be killed and started."""

import contextlib
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import redis

from tests.chaos import clock as clocks
from tests.chaos import disk as disks
from tests.chaos import journal
from tests.chaos.clock import Clock
from tests.chaos.database import Cluster, Sqlite
from tests.chaos.history import Fault
from tests.chaos.proxy import Proxy
from tests.chaos.redis_pair import RedisPair
from tests.commands import environment, manage
from tests.servers import Servers
from workers.embedded.server import free_port
from workers.supervision.supervisor import Child
from workers.supervision.watchdog import kill_group

if TYPE_CHECKING:
    from tests.chaos.faults.act import Act

#: Seconds of silence after which a worker of another host is declared dead.
HEARTBEAT_SECONDS = 3
WORKERS = ("workers", "workers elsewhere")
SENDERS = ("sender 1", "sender 2", "sender 3")
#: Exit codes of processes that the storm has ended.
ASKED = (0, -signal.SIGKILL, -signal.SIGTERM)
#: Seconds in which a process may still be starting.
STARTING_SECONDS = 60
#: Seconds without a new fault in which the workers may catch up.
REST_SECONDS = 15
#: Seconds for a process to stop when it is asked to.
STOP_SECONDS = 30


@dataclass
class Trouble:
    """A fault that lasts: its place in the list of faults, its end, and what ends it."""

    place: int
    ends: float
    undo: Callable[[], object]


class World:
    """Senders, workers on two hosts, relays, schedulers, Redis and a database, with a proxy before each server.

    Parameters:
      servers: Servers of the session. The storm's database is a copy of theirs.
      database: Name of the session's database, or path of its file.
      faults: Names of the faults that are wanted.
      per_second: Transactions per second of each sender.
      only: Names of faults whose kinds of sends alone are sent. Empty: all that are wanted.
    """

    def __init__(
        self,
        directory: Path,
        servers: Servers,
        *,
        database: str,
        seed: int,
        faults: Collection[str],
        per_second: float,
        only: Collection[str] = (),
    ) -> None:
        self.directory = directory
        self.servers = servers
        self.seed = seed
        self.per_second = per_second
        self.only = only
        self.random = random.Random(seed)
        #: Why a fault cannot happen here, by its name.
        self.skipped: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.troubles: list[Trouble] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.started: dict[str, float] = {}
        #: Times by which processes must have stopped, by pid.
        self.asked: dict[int, float] = {}
        #: Exit codes of processes that ended by themselves, or not in time, by a name with the number of the end.
        self.bad_ends: dict[str, int | None] = {}
        self.generation = 0
        #: Seconds without another fault, at least. An act may set them.
        self.pause_seconds = 0.0
        self._held: list[subprocess.Popen[bytes]] = []
        self.wanted = {name for name in faults if self._is_possible(name)}
        self.journals = directory / "journals"
        self.journals.mkdir()
        library = clocks.library()
        self.clock = Clock(directory / "clock", preload=library) if library and "clock-steps" in self.wanted else None
        #: Version of the code by process.
        self.versions = dict.fromkeys((*WORKERS, *SENDERS), "A") if "versions" in self.wanted else {}
        #: Tasks after which worker processes are replaced, by their supervisor. 0: never.
        self.max_tasks = dict.fromkeys(WORKERS, 50 if "recycling" in self.wanted else 0)
        self.redis = RedisPair(directory, launch=self.launch, has_replica="redis-failover" in self.wanted)
        has_disk = "disk-full" in self.wanted
        self.proxies: dict[str, Proxy] = {}
        self.database: Cluster | Sqlite
        if servers.postgres is None:
            self.database = Sqlite(Path(database), directory / "database", has_disk=has_disk)
        else:
            self.database = Cluster(
                servers.postgres,
                database,
                launch=self.launch,
                has_disk=has_disk,
                has_standby="postgresql-failover" in self.wanted,
                on_failover=lambda port: self.proxies["postgresql"].retarget(port),
            )

    def _is_possible(self, name: str) -> bool:
        """Return whether the fault can happen on this machine and this database. If not, note why."""
        from tests.chaos.faults import ACTS

        vendor = "postgresql" if self.servers.postgres else "sqlite"
        acts = [act for act in ACTS if act.fault == name]
        if acts and not any(vendor in act.databases for act in acts):
            self.skipped[name] = f"not for {vendor}"
        elif name == "clock-steps" and clocks.library() is None:
            self.skipped[name] = "libfaketime is not installed"
        elif name == "disk-full" and not disks.can_mount():
            self.skipped[name] = "no file system can be mounted"
        return name not in self.skipped

    # --- Starting ---

    def start(self) -> None:
        self.redis.start()
        self._add_proxy("redis", self.redis.primary.port)
        if isinstance(self.database, Cluster):
            self.database.revive()
            self._add_proxy("postgresql", self.database.primary.port)
        for name in self.commands():
            self.start_process(name)

    def _add_proxy(self, name: str, target: int) -> None:
        self.proxies[name] = Proxy(self.popen, port=free_port(), target=target)

    def launch(self, child: Child) -> "subprocess.Popen[bytes]":
        """Start a server. It ends with this process."""
        with (self.directory / f"{child.name.split()[0]}.log").open("ab") as log:
            process = child.popen(stdout=log, stderr=subprocess.STDOUT)
        self._hold(process, child.stop_signal)
        return process

    def popen(self, argv: tuple[str, ...], **options: Any) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(argv, start_new_session=True, **options)
        self._hold(process, signal.SIGTERM)
        return process

    def _hold(self, process: "subprocess.Popen[bytes]", stop_signal: int) -> None:
        for ended in [other for other in self._held if other.poll() is not None]:
            self._held.remove(ended)
            self.servers.watchdog.release(ended.pid)
        self._held.append(process)
        self.servers.watchdog.hold(process.pid, stop_signal=stop_signal, stop_order=0, grace_seconds=5)

    def commands(self) -> dict[str, tuple[str, ...]]:
        """Return the argument lists of the processes by name. That of a sender is made at its start."""
        worker = ("runworker", "--processes", "2", "--threads", "4", "--max-tasks")
        return {
            **{name: manage(*worker, str(self.max_tasks[name])) for name in WORKERS},
            "relay": manage("runrelay"),
            "scheduler one": manage("runscheduler"),
            "scheduler two": manage("runscheduler"),
            **dict.fromkeys(SENDERS, ()),
        }

    def start_process(self, name: str) -> None:
        argv = self.commands()[name]
        if not argv:
            self.generation += 1
            sender = f"{name.split()[1]}.{self.generation}"
            argv = (
                sys.executable, "-m", "tests.chaos.sender",
                sender, str(self.seed), str(self.per_second),
                ",".join(sorted(self.wanted)), ",".join(sorted(self.only)),
            )  # fmt: skip
        with (self.directory / f"{name.replace(' ', '-')}.log").open("ab") as log:
            self.started[name] = time.monotonic()
            self.processes[name] = self.popen(argv, env=self._environment(name), stdout=log, stderr=subprocess.STDOUT)

    def _environment(self, name: str) -> dict[str, str]:
        database = self.proxies.get("postgresql")
        variables = {
            journal.VARIABLE: str(self.journals),
            "CHAOS_VERSION": self.versions.get(name, "B"),
            "CHAOS_ISOLATION": "1" if "isolation" in self.wanted else "",
        }
        if name in {"workers elsewhere", "relay"}:
            variables["WORKER_HOST"] = "another-host"
        # One host has the clock that is stepped. SQLite's clock is that of its processes, which are on one host.
        is_stepped = "WORKER_HOST" in variables or self.database.vendor == "sqlite"
        if self.clock is not None and is_stepped:
            variables |= self.clock.variables
        return environment(
            DATABASE_URL=self.database.url(database.port if database else None),
            REDIS_URL=self.redis.url(self.proxies["redis"].port),
            EXTRA_APPS="tests.acting,tests.chaos,tests.chaos.third_party",
            EXTRA_QUEUES="slow,poison,limited,chaos,chaos-old,chaos-new",
            DJANGO_SETTINGS_MODULE="tests.chaos.settings",
            TASK_MAX_CRASHES="100000",
            WORKER_HEARTBEAT_TIMEOUT_SECONDS=str(HEARTBEAT_SECONDS),
            WORKER_DRAIN_SECONDS="2",
            LOG_LEVEL="WARNING",
            **variables,
        )

    # --- The storm ---

    def note(self, kind: str, *, pid: int | None = None, since: float | None = None) -> None:
        """Note a fault that is over now."""
        now = time.monotonic()
        self.faults.append(Fault(kind=kind, at=now if since is None else since, until=now, pid=pid))

    def lasting(self, kind: str, seconds: float, undo: Callable[[], object], *, pid: int | None = None) -> None:
        """Note a fault that lasts. `undo` ends it."""
        now = time.monotonic()
        self.troubles.append(Trouble(len(self.faults), now + seconds, undo))
        self.faults.append(Fault(kind=kind, at=now, pid=pid))

    def heal(self, *, everything: bool = False) -> None:
        """End the faults whose time is over."""
        for trouble in list(self.troubles):
            if everything or time.monotonic() >= trouble.ends:
                try:
                    trouble.undo()
                except RuntimeError:
                    continue  # The database is away by another fault. It comes again.
                self.troubles.remove(trouble)
                self.faults[trouble.place] = replace(self.faults[trouble.place], until=time.monotonic())

    def storm(self, seconds: float, acts: "Collection[Act]", *, has_backlog: Callable[[], bool]) -> None:
        """Disturb something at random again and again until the time is over.

        Parameters:
          has_backlog: Returns whether so many tasks wait that the workers shall catch up first, for a while.
        """
        ends = time.monotonic() + seconds
        possible = [act for act in acts if act.fault in self.wanted and self.database.vendor in act.databases]
        while time.monotonic() < ends:
            if possible:
                act = self.random.choices(possible, [act.weight for act in possible])[0]
                # A server may be away by another fault.
                with contextlib.suppress(
                    psycopg.Error, redis.RedisError, psutil.Error, subprocess.SubprocessError, RuntimeError
                ):
                    act.do(self)
            pause, self.pause_seconds = max(self.random.uniform(0.2, 2.5), self.pause_seconds), 0.0
            self.rest(pause)
            rested = time.monotonic() + REST_SECONDS
            while time.monotonic() < min(rested, ends) and has_backlog():
                self.rest(1)

    def rest(self, seconds: float) -> None:
        """Wait, while faults end and what was killed comes back."""
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            time.sleep(0.1)
            self.heal()
        self.revive()

    def calm(self) -> float:
        """End every fault, let every process run version B, and recycle none. Return the time."""
        while self.troubles:
            self.heal(everything=True)
            self.revive()
        self.revive()
        old = {name for name, version in self.versions.items() if version == "A"}
        old |= {name for name, limit in self.max_tasks.items() if limit}
        self.versions = dict.fromkeys(self.versions, "B")
        self.max_tasks = dict.fromkeys(WORKERS, 0)
        for name in old:
            self.terminate(name)
        for name in old:
            self._note_end(name, self._end(self.processes[name]))
        self.revive()
        return time.monotonic()

    def revive(self) -> None:
        """Start killed processes again that have no supervisor."""
        self.redis.start()
        self.database.revive()
        for name, process in list(self.processes.items()):
            code = process.poll()
            if code is None and time.monotonic() > self.asked.get(process.pid, math.inf):
                self._note_end(name, self._end(process, seconds=0))
                self.start_process(name)
            elif code is not None:
                self.asked.pop(process.pid, None)
                self._note_end(name, code)
                self.start_process(name)

    def terminate(self, name: str) -> int:
        """Ask a process to stop. Return its pid. It is killed, and judged, if it does not stop in time."""
        process = self.processes[name]
        process.terminate()
        self.asked[process.pid] = time.monotonic() + STOP_SECONDS
        return process.pid

    def _note_end(self, name: str, code: int | None) -> None:
        if code not in ASKED:
            self.bad_ends[f"{name}, during the storm, {len(self.bad_ends)}"] = code

    def children(self, name: str, word: str) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.processes[name].pid).children()
            return [child for child in found if word in " ".join(self.words(child))]
        return []

    def words(self, process: psutil.Process) -> list[str]:
        with contextlib.suppress(psutil.Error):
            return list(process.cmdline())
        return []

    def kill(self, pid: int) -> int:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    # --- The end ---

    def stop_sending(self) -> None:
        for name in SENDERS:
            process = self.processes.pop(name)
            self.kill(process.pid)
            process.wait()

    def stop(self) -> dict[str, int | None]:
        """Stop everything. Return the exit codes of the processes that got SIGTERM. None: it did not stop in time."""
        self.heal(everything=True)
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        ends = {name: self._end(process) for name, process in self.processes.items()}
        # One that is still starting has no handler yet.
        young = {name for name, at in self.started.items() if at > time.monotonic() - STARTING_SECONDS}
        ends = {name: 0 if name in young and code == -signal.SIGTERM else code for name, code in ends.items()}
        self._end_orphans()
        for proxy in self.proxies.values():
            proxy.process.kill()
            proxy.process.communicate()
        self.redis.stop()
        self.database.stop()
        return ends | self.bad_ends

    def _end_orphans(self) -> None:
        """End the children of killed supervisors that the watchdogs have not ended yet."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(journal.VARIABLE) == str(self.journals):
                    process.kill()

    def _end(self, process: "subprocess.Popen[bytes]", *, seconds: float = STOP_SECONDS) -> int | None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            kill_group(process.pid)
            process.wait()
