"""The command behind `bin/run`, as a process with its own `var/` and port."""

import contextlib
import secrets
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from psycopg.rows import dict_row

from tests.commands import RunningCommand, environment
from tests.conftest import RUNNING
from tests.plugin import SERVERS
from workers.embedded.server import is_free

#: Ports below those that the kernel chooses for connections.
LOW_PORTS = range(20_000, 30_000)
#: Variables that the session sets for the tests' own Django.
SESSION_VARIABLES = ("SECRET_KEY", "AIWRITING_VAR", "REDIS_URL", "DATABASE_URL", "EXTRA_APPS", "DJANGO_SETTINGS_MODULE")


def own_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a new user, with the variables."""
    return {name: value for name, value in environment().items() if name not in SESSION_VARIABLES} | variables


@pytest.fixture
def port() -> int:
    """A free port with a free one after it. The kernel gives neither to a connection before the test has it."""
    while True:
        port = LOW_PORTS.start + secrets.randbelow(len(LOW_PORTS))
        if is_free(port) and is_free(port + 1):
            return port


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a new database on the session's PostgreSQL. Empty on SQLite, which is the default of `bin/run`."""
    if request.config.getoption("--database") == "sqlite":
        yield ""
        return
    parts = urlsplit(settings.DATABASE_URL)
    name = f"standalone_{secrets.token_hex(4)}"
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}")
    yield urlunsplit(parts._replace(path=f"/{name}", netloc=parts.netloc or "localhost"))
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as link:
        link.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def rows(var: Path, database: str) -> Callable[[], list[dict[str, Any]]]:
    """Read the rows of the ledger from the database."""
    query = "SELECT * FROM tasks_taskstatus ORDER BY id"

    def read() -> list[dict[str, Any]]:
        if database:
            with psycopg.connect(database, row_factory=dict_row) as link:
                return link.execute(query).fetchall()
        with contextlib.closing(sqlite3.connect(f"file:{var / 'db.sqlite3'}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    return read


@pytest.fixture
def standalone(
    request: pytest.FixtureRequest, tmp_path: Path, port: int, var: Path, database: str
) -> Iterator[Callable[..., RunningCommand]]:
    """Start `python -m aiWriting.standalone`. Keywords are environment variables."""
    running = request.node.stash.setdefault(RUNNING, [])

    def start(**variables: str) -> RunningCommand:
        defaults = {"AIWRITING_VAR": str(var), "PORT": str(port), "WORKER_PROCESSES": "1", "DATABASE_URL": database}
        started = RunningCommand(
            sys.executable,
            "-m",
            "aiWriting.standalone",
            env=own_environment(**defaults | variables),
            log=tmp_path / f"standalone-{len(running)}.log",
            watchdog=request.config.stash[SERVERS].watchdog,
        )
        running.append(started)
        return started

    yield start
    for started in reversed(running):
        if started.alive:
            started.end()
