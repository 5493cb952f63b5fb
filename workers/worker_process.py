"""One worker process: Dramatiq's own worker, stopped the way a platform stops things."""

import logging
import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, cast

import dramatiq
from dramatiq import Worker

if TYPE_CHECKING:
    from workers.broker import LedgerBroker

logger = logging.getLogger(__name__)

#: How often the process looks around, in seconds.
LOOK_SECONDS = 0.5
#: A supervisor starts another process, with a new identity, for one that ends like this.
EXIT_DECLARED_DEAD = 75


class UnknownQueueError(ValueError):
    """A worker was asked to take from a queue that no actor is declared on."""


def known_queues(names: Sequence[str]) -> set[str]:
    """The names as a set, once it is sure that each is a queue."""
    declared = dramatiq.get_broker().get_declared_queues()
    for name in names:
        if name not in declared:
            raise UnknownQueueError(f"Unknown queue {name!r}, must be one of: {', '.join(sorted(declared))}")
    return set(names)


def work(*, queues: Sequence[str], threads: int, drain_seconds: float) -> int:
    """Run a worker until SIGTERM or SIGINT, or until a relay declares it dead. Returns the exit code.

    Parameters:
      queues: Which to take from; empty means all.
      drain_seconds: How long running tasks may go on after the signal. What is not done then is handed back.
    """
    broker = cast("LedgerBroker", dramatiq.get_broker())
    stop = threading.Event()

    def ask_to_stop(signum: int, frame: FrameType | None) -> None:
        # A platform signals the whole group, and the supervisor once more: repeats mean nothing new.
        stop.set()

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, ask_to_stop)
    broker.emit_after("process_boot")
    worker = Worker(broker, queues=known_queues(queues) or None, worker_threads=threads)
    worker.start()
    runtime = broker.runtime
    assert runtime is not None, "the Lifecycle middleware makes it"
    while not stop.wait(LOOK_SECONDS) and not runtime.refused.is_set():
        pass
    refused = runtime.refused.is_set()
    worker.stop(timeout=0 if refused else int(drain_seconds * 1000))
    broker.close()
    return EXIT_DECLARED_DEAD if refused else 0


def leave(code: int) -> None:
    """End the process at once: a task that does not stop must not keep it, and what it held is handed back."""
    logging.shutdown()
    os._exit(code)
