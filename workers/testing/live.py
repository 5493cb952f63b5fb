"""A worker and a relay beside the test: threads of its process, or processes of their own."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import dramatiq
import redis
from django.conf import settings
from django.db import connections, transaction
from dramatiq import Worker

from apps.tasks import ledger, presence
from apps.tasks.models import WorkerProcess
from workers import relay as relays
from workers.audit import Audit
from workers.broker import LedgerBroker
from workers.testing.errors import MisuseError
from workers.wire.queue import WireQueue

#: Seconds between two looks of the relay for due tasks.
DUE_SECONDS = 0.02
#: Milliseconds that a worker thread waits before it looks around.
LOOK_MS = 50
#: Milliseconds that running tasks may go on at the end.
DRAIN_MS = 5_000
#: Seconds for processes to start, and to stop.
START_SECONDS = 60
STOP_SECONDS = 40

SETTINGS = """
from {module} import *

for alias, name in {names!r}.items():
    DATABASES[alias] = {{**DATABASES[alias], "NAME": name}}
"""


@contextmanager
def working(*, threads: int = 4, processes: int = 0) -> Iterator[None]:
    """Run a worker and a relay beside the block. At its end running tasks have 5 s to end, and both stop.

    Wait for a task with `message.get_result(block=True)`, and for a queue with `broker.join(queue_name)`.

    Parameters:
      threads: Threads of the worker: tasks that run at once.
      processes: Number of real worker processes to start instead, with the same settings and the test's database. Their
        start takes seconds.

    Raises:
      MisuseError: A transaction is open, in which no worker would see a task. Or the database is in memory, or Redis
        does not answer.
    """
    _check(is_running=_broker().runtime is not None)
    _clear(_broker().wire)
    with _processes(processes, threads) if processes else _threads(threads):
        yield


def _broker() -> LedgerBroker:
    broker = dramatiq.get_broker()
    assert isinstance(broker, LedgerBroker)
    return broker


def _check(*, is_running: bool) -> None:
    database: Any = transaction.get_connection()
    if is_running:
        raise MisuseError("A worker runs in this process already: leave its working() first.")
    if database.in_atomic_block:
        raise MisuseError(
            "A worker sees no task of an open transaction: use TransactionTestCase, "
            "django_db(transaction=True) or the fixture transactional_db, and leave transaction.atomic()."
        )
    if database.vendor == "sqlite" and database.is_in_memory_db():
        raise MisuseError(
            "The test's SQLite database is in memory, where other threads cannot use it: name a file in "
            'DATABASES["default"]["TEST"] = {"NAME": BASE_DIR / "test.sqlite3"}.'
        )


def _clear(wire: WireQueue) -> None:
    """Forget what earlier tests left in Redis, and publish the messages of this test again.

    Raises:
      MisuseError: Redis does not answer.
    """
    try:
        wire.forget_processes()
        for queue_name in _broker().queues:
            wire.forget(queue_name)
        pk = 0
        while rows := ledger.due_after(pk, limit=relays.PAGE):
            Audit(_broker()).publish(rows)
            pk = rows[-1].pk
    except redis.RedisError as error:
        server = wire.workers.connection_pool.connection_kwargs
        address = server.get("path") or f"{server.get('host')}:{server.get('port')}"
        raise MisuseError(
            f"working() needs Redis, and the one at {address} does not answer ({error}). Start it, or let the settings "
            "of DRAMATIQ_BROKER name another one. run_due() needs none."
        ) from None


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    broker = _broker()
    _boot(broker)
    stop = threading.Event()
    middleware = list(broker.middleware)  # A worker of Dramatiq adds one, and has no way to remove it.
    due_seconds, relays.DUE_SECONDS = relays.DUE_SECONDS, DUE_SECONDS
    relay = threading.Thread(target=relays.Relay(broker).run, args=(stop,), name="relay", daemon=True)
    worker = Worker(broker, worker_threads=threads, worker_timeout=LOOK_MS)
    try:
        relay.start()
        worker.start()
        yield
    finally:
        worker.stop(timeout=DRAIN_MS)
        broker.middleware[:] = middleware
        stop.set()
        relay.join()
        relays.DUE_SECONDS = due_seconds
        for queue_name in broker.queues:
            broker.wire.forget(queue_name)


@cache
def _boot(broker: LedgerBroker) -> None:
    """Run the boot hooks of a worker process, once. One starts the thread that watches time limits."""
    broker.emit_after("process_boot")


@contextmanager
def _processes(number: int, threads: int) -> Iterator[None]:
    module = getattr(settings, "SETTINGS_MODULE", None)
    if not module:
        raise MisuseError("Processes need the name of the settings' module in DJANGO_SETTINGS_MODULE.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = {alias: str(connections[alias].settings_dict["NAME"]) for alias in settings.DATABASES}
        (folder / "settings_of_the_test.py").write_text(SETTINGS.format(module=module, names=names))
        paths = os.pathsep.join([str(folder), *(path or os.getcwd() for path in sys.path)])
        log = stack.enter_context((folder / "log").open("w+"))
        process = subprocess.Popen(
            [sys.executable, "-m", "django", "runworker", "--processes", str(number), "--threads", str(threads)],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings_of_the_test", "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            _wait_for_start(process, number, Path(log.name))
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            finally:
                _broker().flush_all()


def _wait_for_start(process: "subprocess.Popen[bytes]", number: int, log: Path) -> None:
    """Return once the workers beat. Raises: MisuseError: The command has ended, or they do not."""
    deadline = time.monotonic() + START_SECONDS
    while sum(one.kind == WorkerProcess.KIND_WORKER for one in presence.living()) < number:
        if process.poll() is not None or time.monotonic() > deadline:
            raise MisuseError(f"The worker processes did not start:\n{log.read_text(errors='replace')[-2_000:]}")
        time.sleep(DUE_SECONDS)
