"""One worker process: Dramatiq's own worker, stopped as platforms stop processes."""

import gc
import logging
import os
import time
from collections.abc import Iterable, Mapping
from threading import Thread
from typing import Any

import dramatiq
from dramatiq import Worker

from workers.process.stop_request import StopRequest

logger = logging.getLogger(__name__)

#: Seconds between two looks at whether the process was declared dead, or lost a thread that it needs.
LOOK_SECONDS = 0.5
#: Seconds that a stop waits for consumers. The wait of an idle one is ended through Redis, which may be away.
CONSUMER_SECONDS = 1.0
#: Seconds for the writer to write the outcomes that it has.
CLOSING_SECONDS = 3.0
#: Exit code of a process in which a thread died that all tasks need. A supervisor replaces it.
EXIT_THREAD_DIED = 70
#: Exit code of a process that is to be replaced by a fresh one: it had its tasks, holds too much memory, or an operator
#: asked it to stop.
EXIT_RECYCLED = 79
#: Exit code of a process that was declared dead. A supervisor replaces it by one with a new identity.
EXIT_DECLARED_DEAD = 75


def work(
    *,
    queues: Mapping[str, int],
    threads: int,
    isolated: int = 0,
    drain_seconds: float,
    max_tasks: int = 0,
    max_memory_mb: int = 0,
) -> int:
    """Run a worker until SIGTERM or SIGINT, or until it cannot go on. Return the exit code.

    Parameters:
      queues: Queues to take from, with their weights. Empty: all.
      isolated: Isolated tasks that run at once. 0: no limit.
      drain_seconds: Seconds that running tasks may go on after the signal. Unfinished tasks are released then.
      max_tasks, max_memory_mb: Limits after which it ends, once its running tasks have ended. 0: none.
    """
    broker: Any = dramatiq.get_broker()
    stop = StopRequest()
    stop.install()
    broker.emit_after("process_boot")
    broker.weights, broker.isolated = dict(queues), isolated
    worker = Worker(broker, queues=set(queues) or None, worker_threads=threads)
    worker.start()
    broker.runtime.recycling.limit(tasks=max_tasks, memory_mb=max_memory_mb)
    # Full collections need not look at the modules and models, which live as long as the process.
    gc.collect()
    gc.freeze()
    runtime = broker.runtime
    code = _watch(runtime, stop)
    if code == EXIT_THREAD_DIED:
        # A running task may be to blame. It is not released, which would cost it nothing: the relay counts a crash.
        runtime.writer.close(timeout_seconds=CLOSING_SECONDS)
        return code
    # The tasks of a recycled process have ended, but for those that never will.
    drains = {0: drain_seconds, EXIT_RECYCLED: CONSUMER_SECONDS}
    stop_worker(worker, drain_seconds=drains.get(code, 0))
    broker.close()
    # Its supervisor was not asked to stop. It starts another process in its place.
    return EXIT_RECYCLED if runtime.is_stop_requested and not code else code


def _watch(runtime: Any, stop: StopRequest) -> int:
    """Wait until the process has to end. Return its exit code."""
    while not stop.wait(LOOK_SECONDS):
        if runtime.refused.is_set():
            return EXIT_DECLARED_DEAD
        if dead := runtime.dead_threads():
            logger.critical("thread died, process ends threads=%s", ",".join(dead))
            return EXIT_THREAD_DIED
        if runtime.recycling.look() and runtime.finish():
            return EXIT_RECYCLED
    return EXIT_DECLARED_DEAD if runtime.refused.is_set() else 0


def stop_worker(worker: Worker, *, drain_seconds: float) -> None:
    """Stop a worker. Its running tasks may go on for the whole of that time.

    `Worker.stop` does the same, but its wait counts the elapsed time once a thread. Of 25 s, a task may get 7.
    """
    broker: Any = worker.broker
    deadline = time.monotonic() + drain_seconds
    broker.emit_before("worker_shutdown", worker)
    for consumer in worker.consumers.values():
        consumer.stop()
    for thread in worker.workers:
        thread.stop()
    _join(worker.consumers.values(), deadline=min(deadline, time.monotonic() + CONSUMER_SECONDS))
    # Claimed after the shutdown hook had released the tasks that waited.
    broker.runtime.release_waiting()
    _join(worker.workers, deadline=deadline)
    broker.runtime.coroutines.end(drain_seconds=max(0.0, deadline - time.monotonic()))
    for consumer in worker.consumers.values():
        consumer.close()
    broker.emit_after("worker_shutdown", worker)


def _join(threads: Iterable[Thread], *, deadline: float) -> None:
    for thread in list(threads):
        thread.join(max(0.0, deadline - time.monotonic()))


def leave(code: int) -> None:
    """End the process at once. A task that does not stop must not keep it, and its claim is released."""
    logging.shutdown()
    os._exit(code)
