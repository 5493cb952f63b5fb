"""A worker and a relay inside the test's own process: the same threads, the same Redis, the same database."""

import threading
from collections.abc import Callable, Iterator

import dramatiq
import pytest
from dramatiq import Worker

from apps.tasks.models import TaskStatus
from workers import relay as relays
from workers.broker import LedgerBroker


@pytest.fixture
def broker(redis_client) -> LedgerBroker:
    """The project's broker, its Redis empty."""
    found = dramatiq.get_broker()
    assert isinstance(found, LedgerBroker)
    found.wire.reopen()
    return found


@pytest.fixture(scope="session")
def booted() -> None:
    """What a worker process does once: among it, the thread that watches time limits starts."""
    dramatiq.get_broker().emit_after("process_boot")


@pytest.fixture
def working(transactional_db, broker, booted, monkeypatch) -> Iterator[Worker]:
    """A worker of four threads and a relay, for the length of a test."""
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
def ended(wait_until) -> Callable[..., TaskStatus]:
    """`ended(message)`: the message's row, once it has ended."""

    def wait(message: dramatiq.Message, *, timeout: float = 10) -> TaskStatus:
        def find() -> TaskStatus | None:
            return TaskStatus.objects.finished().filter(task_id=message.message_id).first()

        return wait_until(find, timeout=timeout, explain=lambda: list(TaskStatus.objects.values()))

    return wait
