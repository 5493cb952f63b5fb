"""The servers and processes of a storm. Each can be killed and started."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis

from tests.commands import environment, manage
from tests.servers import Servers
from tests.waiting import wait_until
from workers.embedded import server as embedded
from workers.supervision.watchdog import kill_group

#: Seconds of silence after which a worker of another host is declared dead.
HEARTBEAT_SECONDS = 3


@dataclass
class Kill:
    """A disturbance: its kind, its time by this machine's clock, and the process."""

    kind: str
    at: float
    pid: int | None = None


@dataclass
class World:
    """Senders, workers on two hosts, relays, schedulers, Redis and a database.

    Parameters:
      servers: Servers of the session. The storm restarts their PostgreSQL.
      database_url: The test's database.
      per_second: Transactions per second of each sender.
    """

    directory: Path
    servers: Servers
    database_url: str
    seed: int
    per_second: float
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    frozen: list[tuple[float, int]] = field(default_factory=list)
    generation: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.redis = embedded.prepare(self.directory / "valkey")

    # --- Starting ---

    def start(self) -> None:
        self.start_redis()
        for name in self.commands():
            self.start_process(name)

    def commands(self) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
        """Return the processes by name: argument lists and additional variables."""
        worker = manage("runworker", "--processes", "2", "--threads", "4")
        other = {"WORKER_HOST": "another-host"}
        return {
            "workers": (worker, {}),
            "workers elsewhere": (worker, other),
            "relay": (manage("runrelay"), {}),
            "scheduler one": (manage("runscheduler"), {}),
            "scheduler two": (manage("runscheduler"), {}),
            **{f"sender {number}": ((), {}) for number in (1, 2, 3)},
        }

    def start_process(self, name: str) -> None:
        argv, variables = self.commands()[name]
        if not argv:
            self.generation += 1
            sender = f"{name.split()[1]}.{self.generation}"
            journal = self.directory / f"journal-{sender}"
            argv = (
                sys.executable,
                "-m",
                "tests.chaos.sender",
                sender,
                str(self.seed),
                str(journal),
                str(self.per_second),
            )
        env = environment(
            DATABASE_URL=self.database_url,
            REDIS_URL=self.redis.url,
            EXTRA_APPS="tests.acting,tests.chaos",
            DJANGO_SETTINGS_MODULE="aiWriting.settings",
            TASK_MAX_CRASHES="100000",
            WORKER_HEARTBEAT_TIMEOUT_SECONDS=str(HEARTBEAT_SECONDS),
            WORKER_DRAIN_SECONDS="2",
            LOG_LEVEL="WARNING",
            **variables,
        )
        with (self.directory / f"{name.replace(' ', '-')}.log").open("ab") as log:
            process = subprocess.Popen(argv, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.servers.watchdog.hold(process.pid, stop_signal=signal.SIGTERM, stop_order=0, grace_seconds=5)
        self.processes[name] = process

    def start_redis(self) -> None:
        process = self.servers.launch(self.redis.child(), log=self.directory / "valkey.log")
        self.redis.wait_until_ready(alive=lambda: process.poll() is None)
        self.processes["redis"] = process

    # --- The storm ---

    def storm(self, seconds: float) -> None:
        """Disturb a random process again and again until the time is over."""
        ends = time.monotonic() + seconds
        actions = [
            ("kill -9 worker", self.kill_worker, 30),
            ("kill -9 supervisor", self.kill_supervisor, 6),
            ("stop and start workers", self.stop_workers, 6),
            ("kill -9 relay", self.kill_relay, 8),
            ("kill -9 scheduler", self.kill_scheduler, 8),
            ("kill -9 sender", self.kill_sender, 10),
            ("freeze a worker", self.freeze_worker, 8),
            ("FLUSHALL", self.flush_redis, 6),
            ("kill -9 redis, data kept", self.kill_redis, 4),
            ("kill -9 redis, data lost", self.wipe_redis, 4),
        ]
        if self.servers.postgres is not None:
            actions.append(("restart of PostgreSQL", self.restart_postgres, 5))
        weights = [weight for _, _, weight in actions]
        while time.monotonic() < ends:
            kind, act, _ = self.random.choices(actions, weights)[0]
            at = time.time()
            self.kills.append(Kill(kind=kind, at=at, pid=act()))
            self.thaw()
            time.sleep(self.random.uniform(0.2, 2.5))
            self.revive()
        self.thaw(everything=True)
        self.revive()

    def revive(self) -> None:
        """Start killed processes again that have no supervisor."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                if name == "redis":
                    self.start_redis()
                else:
                    self.start_process(name)

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

    def some_workers(self) -> str:
        return self.random.choice(["workers", "workers elsewhere"])

    def kill_worker(self) -> int | None:
        found = self.children(self.some_workers(), "--single")
        return self.kill(self.random.choice(found).pid) if found else None

    def kill_supervisor(self) -> int:
        return self.kill(self.processes[self.some_workers()].pid)

    def stop_workers(self) -> int:
        process = self.processes[self.some_workers()]
        process.terminate()
        return process.pid

    def kill_relay(self) -> int | None:
        if self.random.random() < 0.5:
            return self.kill(self.processes["relay"].pid)
        found = self.children(self.some_workers(), "runrelay")
        return self.kill(found[0].pid) if found else None

    def kill_scheduler(self) -> int:
        return self.kill(self.processes[self.random.choice(["scheduler one", "scheduler two"])].pid)

    def kill_sender(self) -> int:
        return self.kill(self.processes[f"sender {self.random.choice([1, 2, 3])}"].pid)

    def freeze_worker(self) -> int | None:
        """Freeze a worker of the other host, mostly for longer than its heartbeat may be silent."""
        found = self.children("workers elsewhere", "--single")
        if not found:
            return None
        pid: int = self.random.choice(found).pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        self.frozen.append((time.monotonic() + HEARTBEAT_SECONDS * self.random.uniform(0.3, 2.5), pid))
        return pid

    def thaw(self, *, everything: bool = False) -> None:
        for due, pid in list(self.frozen):
            if everything or time.monotonic() >= due:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
                self.frozen.remove((due, pid))

    def flush_redis(self) -> None:
        with redis.Redis.from_url(self.redis.url, socket_timeout=2) as client, contextlib.suppress(redis.RedisError):
            client.flushall()

    def kill_redis(self) -> int:
        process = self.processes["redis"]
        self.kill(process.pid)
        process.wait()
        return process.pid

    def wipe_redis(self) -> int:
        pid = self.kill_redis()
        for path in (self.directory / "valkey").rglob("*.*"):
            if path.suffix in {".aof", ".rdb", ".manifest"}:
                path.unlink(missing_ok=True)
        return pid

    def restart_postgres(self) -> int:
        """Restart PostgreSQL like a crash, with recovery, or like an administrator."""
        postgres = self.servers.postgres
        assert postgres is not None
        index = next(i for i, (child, _) in enumerate(self.servers.launched) if child.name == postgres.child.name)
        _, process = self.servers.launched.pop(index)
        process.send_signal(self.random.choice([signal.SIGQUIT, signal.SIGINT]))
        process.wait(30)
        self.servers.launch(postgres.child, log=self.servers.directory / "postgresql.log")
        wait_until(postgres.answers, timeout=60)
        return process.pid

    # --- The end ---

    def stop_sending(self) -> None:
        for name in ("sender 1", "sender 2", "sender 3"):
            process = self.processes.pop(name)
            self.kill(process.pid)
            process.wait()

    def stop(self) -> dict[str, int]:
        """Stop everything. Return the exit codes of the processes that got SIGTERM."""
        asked = {name: process for name, process in self.processes.items() if name != "redis"}
        for process in asked.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        codes = {name: process.wait(30) for name, process in asked.items()}
        self.kill_redis()
        for process in self.processes.values():
            kill_group(process.pid)
        return codes

    def journals(self) -> dict[str, str]:
        """Return the last note of the senders about each nonce: `sending`, `sent` or `rolled-back`."""
        noted: dict[str, str] = {}
        for path in self.directory.glob("journal-*"):
            for line in path.read_text().splitlines():
                word, nonce = line.split()
                noted[nonce] = word
        return noted
