"""Fixtures for all tests."""

import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dramatiq
import pytest
import redis
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from dramatiq import Worker
from hypothesis import settings as hypothesis_settings

from apps.projects.models import Project
from tests import rows
from tests.clients import Writer, writer
from tests.commands import RunningCommand, environment, manage
from tests.plugin import SERVERS
from tests.waiting import wait_until as wait
from workers.broker import LedgerBroker

#: Hashes tell how often they were turned, so other processes understand these; a million turns take half a second.
PBKDF2PasswordHasher.iterations = 1

# How long a machine takes that does other work at the same time says nothing about the code.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")

RUNNING = pytest.StashKey[list[RunningCommand]]()


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """`wait_until(condition, timeout=10)`: the condition's first true value, or a failure."""
    return wait


@pytest.fixture
def jane(db: None) -> Writer:
    """A writer, signed in to the API."""
    return writer("jane")


@pytest.fixture
def emily(db: None) -> Writer:
    """Another writer, who owns nothing."""
    return writer("emily")


@pytest.fixture
def project(jane: object) -> Project:
    """A project of jane's, whoever jane is to the tests of a folder."""
    return rows.project(owner="jane")


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
            watchdog=servers.watchdog,
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


@pytest.fixture
def broker(redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> LedgerBroker:
    """The project's broker, its Redis empty.

    What it publishes is in Redis when the send returns: a lone message is not answered otherwise, and who looks for it
    on another connection may be first.
    """
    found = dramatiq.get_broker()
    assert isinstance(found, LedgerBroker)
    wire = found.wire
    wire.reopen()
    monkeypatch.setattr(wire, "is_synchronous", True)
    return found


@pytest.fixture(scope="session")
def booted() -> None:
    """What a worker process does once: among it, the thread that watches time limits starts."""
    dramatiq.get_broker().emit_after("process_boot")


@pytest.fixture
def working(transactional_db: None, broker: LedgerBroker, booted: None, monkeypatch) -> Iterator[Worker]:
    """A worker of four threads and a relay in the test's own process: real threads, Redis and database."""
    from workers import relay as relays

    monkeypatch.setattr(relays, "DUE_SECONDS", 0.02)
    stop = threading.Event()
    relay = threading.Thread(target=relays.Relay(broker).run, args=(stop,))
    relay.start()
    worker = Worker(broker, worker_threads=4, worker_timeout=50)
    worker.start()
    yield worker
    worker.stop(timeout=5_000)
    broker.middleware.pop()  # Dramatiq adds one a worker and has no word for taking it away.
    stop.set()
    relay.join()


@pytest.fixture
def ended() -> Callable[..., Any]:
    """`ended(message)`: the message's row, once it has ended."""
    from apps.tasks.models import TaskStatus

    def wait_for(message: dramatiq.Message, *, timeout: float = 10) -> TaskStatus:
        def find() -> TaskStatus | None:
            return TaskStatus.objects.finished().filter(task_id=message.message_id).first()

        return wait(find, timeout=timeout, explain=lambda: list(TaskStatus.objects.values()))

    return wait_for


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for started in item.stash.get(RUNNING, []):
            report.sections.append((f"output of {started.name}", started.output))
    return report
