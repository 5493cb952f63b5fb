"""One worker process: Dramatiq's own worker, stopped as platforms stop processes."""

import logging
import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import dramatiq
from dramatiq import Worker

from apps.tasks.errors import UnknownQueueError

logger = logging.getLogger(__name__)

#: Seconds between two looks at whether the process was declared dead.
LOOK_SECONDS = 0.5
#: Exit code of a process that was declared dead. A supervisor replaces it by one with a new identity.
EXIT_DECLARED_DEAD = 75


def known_queues(names: Sequence[str]) -> set[str]:
    """Return the names as a set.

    Raises:
      UnknownQueueError: No actor is declared on one of them.
    """
    declared = dramatiq.get_broker().get_declared_queues()
    for name in names:
        if name not in declared:
            raise UnknownQueueError(f"Unknown queue {name!r}, must be one of: {', '.join(sorted(declared))}")
    return set(names)


def work(*, queues: Sequence[str], threads: int, drain_seconds: float) -> int:
    """Run a worker until SIGTERM or SIGINT, or until a relay declares it dead. Return the exit code.

    Parameters:
      queues: Queues to take from. Empty: all.
      drain_seconds: Seconds that running tasks may go on after the signal. Unfinished tasks are released then.
    """
    broker: Any = dramatiq.get_broker()
    stop = threading.Event()

    def ask_to_stop(signum: int, frame: FrameType | None) -> None:
        # A platform signals the whole group, and the supervisor signals once more. Repeats change nothing.
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
    """End the process at once. A task that does not stop must not keep it, and its claim is released."""
    logging.shutdown()
    os._exit(code)
