"""Fixtures for all tests."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection

from tests.commands import RunningCommand, environment, manage
from tests.plugin import SERVERS
from tests.waiting import wait_until as wait

#: Hashes tell how often they were turned, so other processes understand these; a million turns take half a second.
PBKDF2PasswordHasher.iterations = 1

RUNNING = pytest.StashKey[list[RunningCommand]]()


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """`wait_until(condition, timeout=10)`: the condition's first true value, or a failure."""
    return wait


@pytest.fixture
def redis_client() -> Iterator["redis.Redis"]:
    """A client of the session's Redis, which is empty at the start of the test: the broker's keys are gone, too."""
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        client.flushdb()
        yield client


def database_url() -> str:
    """The URL of the database that the test itself uses, for other processes."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    parts = urlsplit(settings.DATABASE_URL)
    return urlunsplit(parts._replace(path=f"/{name}", netloc=parts.netloc or "localhost"))


@pytest.fixture
def command(
    request: pytest.FixtureRequest, transactional_db: None, redis_client: "redis.Redis", tmp_path: Path
) -> Iterator[Callable[..., RunningCommand]]:
    """Start `manage.py` commands on the test's database: `command("runscheduler", WORKER_THREADS="1")`.

    Keywords are environment variables. At the end each is stopped; it must end with 0 and leave no process.
    """
    running = request.node.stash.setdefault(RUNNING, [])
    servers = request.config.stash[SERVERS]

    def start(*arguments: str, argv: tuple[str, ...] | None = None, **variables: str) -> RunningCommand:
        started = RunningCommand(
            *(argv or manage(*arguments)),
            env=environment(DATABASE_URL=database_url(), **variables),
            log=tmp_path / f"command-{len(running)}.log",
            guard=servers.guard,
        )
        running.append(started)
        return started

    yield start
    failures = []
    for started in reversed(running):
        try:
            started.end()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n".join(failures)


@pytest.fixture
def worker(command: Callable[..., RunningCommand]) -> Callable[..., RunningCommand]:
    """Start `manage.py runworker` with these arguments: `worker("--processes", "1", WORKER_THREADS="2")`."""

    def start(*arguments: str, **variables: str) -> RunningCommand:
        return command("runworker", *arguments, **variables)

    return start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for started in item.stash.get(RUNNING, []):
            report.sections.append((f"output of {started.name}", started.output))
    return report
