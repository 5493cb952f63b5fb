"""Worker processes that live and take nothing, although tasks are due on their queues."""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess
from apps.tasks.presence import taken_by


def is_idle(worker: WorkerProcess) -> bool:
    """Return whether a worker has taken no task for `WORKER_STALL_SECONDS`, and had a thread free for one.

    Parameters:
      worker: A row of `with_idle_time`.
    """
    idle: timedelta = worker.idle_time  # type: ignore[attr-defined]
    return idle.total_seconds() >= conf.WORKER_STALL_SECONDS


def stalled(
    workers: Iterable[WorkerProcess],
    untaken: Mapping[str, float],
    *,
    known: Collection[str],
    paused: Collection[str] = (),
) -> list[WorkerProcess]:
    """Return the workers that cannot work, or that are idle although tasks wait for them.

    Parameters:
      workers: Living workers, as rows of `with_idle_time`.
      untaken: Seconds for which the oldest due task has waited for a worker, by queue.
      known: Queues that this code declares.
      paused: Queues that are paused: workers take nothing from them.
    """
    waiting = {name for name, seconds in untaken.items() if seconds >= conf.WORKER_STALL_SECONDS} - set(paused)
    return [worker for worker in workers if worker.trouble or (is_idle(worker) and taken_by([worker], known) & waiting)]
