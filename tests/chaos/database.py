"""The storm's own database: a copy of the session's, which the storm may damage."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.chaos.disk import Disk
from tests.servers import Postgres
from tests.waiting import wait_until
from workers.embedded.server import HOST, free_port
from workers.supervision.supervisor import Child

#: Connections that the storm's PostgreSQL allows.
MAX_CONNECTIONS = 120
#: Answers of a server that has no connection left. It is well.
FULL = ("too many clients", "remaining connection slots")
#: Seconds after which a primary that does not answer is killed, as by an administrator, and a standby that does not
#: follow replaced. PostgreSQL 18 may hang when its recovery after a PANIC fails, on a full disk for example.
SICK_SECONDS = 8
#: Seconds for a server to stop when it is asked to.
STOP_SECONDS = 10

Launch = Callable[[Child], "subprocess.Popen[bytes]"]


class Sqlite:
    """A file, on a disk of its own if one can be mounted."""

    vendor = "sqlite"

    def __init__(self, source: Path, directory: Path, *, has_disk: bool) -> None:
        directory.mkdir()
        self.disk = Disk(directory) if has_disk else None
        self.path = directory / "db.sqlite3"
        with (
            contextlib.closing(sqlite3.connect(source)) as link,
            contextlib.closing(sqlite3.connect(self.path)) as copy,
        ):
            link.backup(copy)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as link:
            return link.execute(statement).fetchall()

    def url(self, port: int | None = None) -> str:
        return f"sqlite:///{self.path}"

    def revive(self) -> None:
        """Do nothing: there is no server."""

    def stop(self) -> None:
        if self.disk is not None:
            self.disk.unmount()


@dataclass(eq=False)
class Member:
    """One server of the cluster, with its directory and perhaps a disk of its own."""

    number: int
    directory: Path
    port: int
    disk: Disk | None = None
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Cluster:
    """A PostgreSQL primary and, if wanted, its synchronous standby.

    Parameters:
      source: The session's server, of which the first primary is a copy.
      name: The database.
      launch: Starts a child.
      has_standby: Whether commits wait for a standby.
      on_failover: Called with the port of each new primary.
    """

    vendor = "postgresql"

    def __init__(
        self,
        source: Postgres,
        name: str,
        *,
        launch: Launch,
        has_disk: bool,
        has_standby: bool,
        on_failover: Callable[[int], object],
    ) -> None:
        self.source = source
        self.name = name
        self.launch = launch
        self.has_disk = has_disk
        self.has_standby = has_standby
        self.on_failover = on_failover
        self.count = 0
        self.standby: Member | None = None
        #: Last times at which the primary answered, and at which a standby followed it or could not.
        self.well_at = self.followed_at = time.monotonic()
        self.primary = self._copy("-h", str(source.directory))
        self._start(self.primary)
        wait_until(lambda: self.answers(self.primary), timeout=60)

    # --- Asking ---

    def connect(self, member: Member | None = None) -> "psycopg.Connection[Any]":
        port = (member or self.primary).port
        return psycopg.connect(
            host=HOST, port=port, user="postgres", dbname=self.name, autocommit=True, connect_timeout=5
        )

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as link:
            return link.execute(statement).fetchall()

    def answers(self, member: Member) -> bool:
        try:
            with self.connect(member) as link:
                link.execute("SELECT 1")
        except psycopg.OperationalError as error:
            return any(text in str(error) for text in FULL)
        return True

    def url(self, port: int | None = None) -> str:
        return f"postgresql://postgres@{HOST}:{port or self.primary.port}/{self.name}"

    # --- Servers ---

    def revive(self) -> None:
        """Start the servers that are down or sick, and make a standby if there is none.

        Commits wait for the standby once it follows.
        """
        self._heal()
        if not self.has_standby:
            return
        with contextlib.suppress(psycopg.OperationalError, RuntimeError):
            if self.standby is None:
                self.standby = self._copy("-h", HOST, "-p", str(self.primary.port), "-R")
                self.followed_at = time.monotonic()
            if not self.standby.lives:
                self._start(self.standby)
            if self._following():
                self.followed_at = time.monotonic()
                if not self.query("SHOW synchronous_standby_names")[0][0]:
                    self._set("synchronous_standby_names", "*")
            elif time.monotonic() > self.followed_at + SICK_SECONDS:  # It lacks what the primary no longer has.
                self._remove(self.standby)
                self.standby = None

    def _heal(self) -> None:
        """Let the primary be up, and let it be a primary: a promotion may have failed half-way."""
        now = time.monotonic()
        with contextlib.suppress(psycopg.OperationalError):
            if self.query("SELECT pg_is_in_recovery()") == [(True,)]:
                self._promote()
        if self.answers(self.primary):
            self.well_at = now
        elif not self.primary.lives or now > self.well_at + SICK_SECONDS:
            self.kill(self.primary)
            self._start(self.primary)
            self.well_at = now
        if self.well_at != now:
            self.followed_at = now

    def is_safe(self) -> bool:
        """Return whether the standby has all that the primary ever showed. A commit waits for it from then on."""
        try:
            [(position, names)] = self.query(
                "SELECT pg_current_wal_flush_lsn()::text, current_setting('synchronous_standby_names')"
            )
            found = self.query(
                f"SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= '{position}'"
            )
        except psycopg.OperationalError:
            return False
        return bool(names and found)

    def fail_over(self) -> int | None:
        """Kill the primary and promote the standby. Return the pid of the old primary, or None if it is not safe."""
        if self.standby is None or not self.is_safe() or not self.answers(self.standby):
            return None
        old, self.primary, self.standby = self.primary, self.standby, None
        pid = self.kill(old)
        self.on_failover(self.primary.port)
        self._remove(old)
        with contextlib.suppress(psycopg.OperationalError):  # Tried again by `revive`.
            self._promote()
        return pid

    def _promote(self) -> None:
        with self.connect() as link:
            link.execute("SELECT pg_promote(true, 30)")

    def kill(self, member: Member) -> int | None:
        """Kill a server with all its processes."""
        if member.process is None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(member.process.pid)
            for process in (*server.children(), server):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        member.process.wait()
        return member.process.pid

    def restart(self, stop: signal.Signals) -> int | None:
        """End the primary with the signal and start it again."""
        process = self.primary.process
        if process is None:
            return None
        process.send_signal(stop)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        self.kill(self.primary)
        self._start(self.primary)
        return process.pid

    def stop(self) -> None:
        for member in (self.standby, self.primary):
            if member is not None:
                self._remove(member)

    def _set(self, name: str, value: str) -> None:
        with self.connect() as link:
            link.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            link.execute("SELECT pg_reload_conf()")

    def _following(self) -> bool:
        return bool(self.query("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))

    def _copy(self, *where: str) -> Member:
        """Return a member that is a copy of a running server, not started yet."""
        self.count += 1
        directory = self.source.directory / f"storm-{self.count}"
        directory.mkdir(mode=0o700)
        member = Member(self.count, directory, free_port())
        if self.has_disk:
            member.disk = Disk(directory, user=self.source.user)
        elif self.source.user is not None:
            os.chown(directory, self.source.user, self.source.user)
        try:
            options = ("-U", "postgres", "-X", "stream", "-c", "fast", "--no-sync")
            self.source.run("pg_basebackup", "-D", str(member.data), *options, *where)
        except BaseException:
            self._remove(member)
            raise
        return member

    def _start(self, member: Member) -> None:
        settings = {
            "listen_addresses": HOST,
            "port": str(member.port),
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "max_wal_size": "192MB",
            "min_wal_size": "32MB",
            "wal_keep_size": "64MB",
            "wal_retrieve_retry_interval": "200ms",
            # The data is deleted with the storm. A killed server still finds it in the system's cache.
            "fsync": "off",
            "full_page_writes": "off",
        }
        argv = [str(self.source.binaries / "postgres"), "-D", str(member.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        (member.data / "postmaster.pid").unlink(missing_ok=True)
        child = Child(
            name=f"postgresql {member.number}",
            argv=tuple(argv),
            cwd=Path("/"),
            user=self.source.user,
            stop_signal=signal.SIGINT,
        )
        member.process = self.launch(child)

    def _remove(self, member: Member) -> None:
        self.kill(member)
        if member.disk is not None:
            member.disk.unmount()
        shutil.rmtree(member.directory, ignore_errors=True)
