"""Fixtures for all tests."""

import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import dramatiq
import pytest
import redis
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.test import TransactionTestCase
from dramatiq import Worker
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from whitenoise.middleware import WhiteNoiseMiddleware

from aiWriting.environment import BASE_DIR
from apps.accounts.sign_in.hashing import Argon2Hasher
from apps.core import request_id
from apps.documents.readers import isolated, slots
from apps.projects.models import Project
from apps.tasks import results
from apps.tasks.admin.now import part
from tests import rows
from tests.clients import Writer, writer
from tests.commands import RunningCommand, environment, manage
from tests.database import delete_rows
from tests.plugin import SERVERS
from tests.waiting import PATIENCE_SECONDS
from tests.waiting import wait_until as wait
from workers.broker import LedgerBroker

#: The real costs take a part of a second. Hashes contain theirs, so other processes can check them.
PBKDF2PasswordHasher.iterations = 1
Argon2Hasher.memory_cost, Argon2Hasher.time_cost = 8, 1

# No test sees the dashboard of another one.
part.KEPT_SECONDS = part.FRESH_SECONDS = -1.0

TransactionTestCase._fixture_teardown = delete_rows  # type: ignore[attr-defined]

# Each client of a test has a middleware of its own, which would look for the static files anew.
_static_files: dict[str, Any] = {}


def _add_files_once(self: WhiteNoiseMiddleware) -> None:
    if not _static_files:
        _add_files_from_finders(self)
        _static_files.update(self.files)
    self.files |= _static_files


_add_files_from_finders = WhiteNoiseMiddleware.add_files_from_finders
WhiteNoiseMiddleware.add_files_from_finders = _add_files_once

# A busy machine says nothing about the speed of the code.
results.DEFAULT_TIMEOUT = int(PATIENCE_SECONDS * 1000)  # type: ignore[attr-defined]
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")

RUNNING = pytest.StashKey[list[RunningCommand]]()


@pytest.fixture(autouse=True)
def no_request() -> None:
    """The id of a request stays in its thread, so that the next test would send in the name of that request."""
    request_id.bind("")


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """`wait_until(condition)` returns the first true value of the condition or fails."""
    return wait


@pytest.fixture
def jane(db: None) -> Writer:
    """A writer, signed in to the API."""
    return writer("jane")


@pytest.fixture
def emily(db: None) -> Writer:
    """Another writer, who owns no rows."""
    return writer("emily")


@pytest.fixture
def project(jane: object) -> Project:
    """A project of jane's, as the folder's own fixture makes her."""
    return rows.project(owner="jane")


@pytest.fixture
def busy_readers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> Iterator[None]:
    """Another process holds the only slot for checking a file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(isolated, "CHECK_WAIT_SECONDS", 0)
    settings.READERS_AT_ONCE = 1
    with slots.held("check", number=1, wait_seconds=0):
        yield


@pytest.fixture
def redis_client() -> Iterator["redis.Redis"]:
    """A client of the session's Redis, which is empty at the start of the test, without the broker's keys."""
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        client.flushdb()
        yield client


def database_url() -> str:
    """Return the URL of the test's database, for other processes."""
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

    Keywords are environment variables. At the end each command is stopped, must exit with 0 and leave no process.
    """
    running = request.node.stash.setdefault(RUNNING, [])
    servers = request.config.stash[SERVERS]

    def start(
        *arguments: str, argv: tuple[str, ...] | None = None, cwd: Path = BASE_DIR, **variables: str
    ) -> RunningCommand:
        started = RunningCommand(
            *(argv or manage(*arguments)),
            env=environment(DATABASE_URL=database_url(), **variables),
            log=tmp_path / f"command-{len(running)}.log",
            watchdog=servers.watchdog,
            cwd=cwd,
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
    """The project's broker with an empty Redis.

    A message is in Redis when its send returns. Otherwise the answer to a single message is not waited for, and a look
    on another connection may come too early.
    """
    found = dramatiq.get_broker()
    assert isinstance(found, LedgerBroker)
    wire = found.wire
    wire.reopen()
    monkeypatch.setattr(wire, "is_synchronous", True)
    return found


@pytest.fixture(scope="session")
def booted() -> None:
    """Run the boot hooks of a worker process once. One starts the thread that watches time limits."""
    dramatiq.get_broker().emit_after("process_boot")


@pytest.fixture
def working(transactional_db: None, broker: LedgerBroker, booted: None, monkeypatch) -> Iterator[Worker]:
    """A worker of four threads and a relay in the test's own process: real threads, Redis and database."""
    from workers import relay as relays
    from workers.process import reconciler

    monkeypatch.setattr(relays, "DUE_SECONDS", 0.02)
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.2)
    stop = threading.Event()
    relay = threading.Thread(target=relays.Relay(broker).run, args=(stop,), daemon=True)
    relay.start()
    worker = Worker(broker, worker_threads=4, worker_timeout=50)
    worker.start()
    yield worker
    worker.stop(timeout=5_000)
    broker.middleware.pop()  # Dramatiq adds one for each worker and has no way to remove it.
    stop.set()
    relay.join()


@pytest.fixture
def ended() -> Callable[..., Any]:
    """`ended(message)` returns the message's row once the task has ended."""
    from apps.tasks.models import TaskStatus

    def wait_for(message: dramatiq.Message, *, timeout: float = PATIENCE_SECONDS) -> TaskStatus:
        finished = TaskStatus.objects.finished().filter(task_id=message.message_id)
        wait(finished.exists, timeout=timeout, explain=lambda: list(TaskStatus.objects.values()))
        return finished.get()

    return wait_for


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for started in item.stash.get(RUNNING, []):
            report.sections.append((f"output of {started.name}", started.output))
    return report


@pytest.fixture
def actors(broker: LedgerBroker) -> Iterator[ModuleType]:
    """The isolated actors, declared for this test only. Workers of other tests start no server for them."""
    from tests.acting import isolated as acting

    declared = {actor.actor_name: actor for actor in vars(acting).values() if isinstance(actor, dramatiq.Actor)}
    ours = {name: actor for name, actor in declared.items() if actor.queue_name == acting.QUEUE}
    broker.actors.update(ours)
    yield acting
    for name in ours:
        broker.actors.pop(name, None)
