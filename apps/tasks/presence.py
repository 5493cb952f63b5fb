"""Presence of worker, relay and scheduler processes. Each one writes its own heartbeat, and relays judge by it."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from django.db.models import F

from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import TaskStatus, WorkerProcess
from apps.tasks.values import Vitals

NO_VITALS = Vitals()


def register(
    worker_id: uuid.UUID,
    *,
    kind: str = WorkerProcess.KIND_WORKER,
    broker_id: str,
    host: str,
    hostname: str,
    pid: int,
    process_started: str,
    queues: list[str],
    threads: int,
) -> None:
    """Record that a process starts."""
    WorkerProcess.objects.create(
        id=worker_id,
        kind=kind,
        broker_id=broker_id,
        host=host,
        hostname=hostname,
        pid=pid,
        process_started=process_started,
        queues=queues,
        threads=threads,
        started_at=ClockTimestamp(),
        beat_at=ClockTimestamp(),
    )


def beat(worker_id: uuid.UUID, vitals: Vitals = NO_VITALS) -> bool:
    """Record a heartbeat. False: the process was declared dead and must not go on under this identity."""
    untaken_ms = vitals.untaken_ms
    return bool(
        WorkerProcess.objects.filter(pk=worker_id, stopped_at=None).update(
            beat_at=ClockTimestamp(),
            beats=F("beats") + 1,
            memory_mb=vitals.memory_mb,
            busy_threads=vitals.busy_threads,
            tasks_done=vitals.tasks_done,
            taken_at=None if untaken_ms is None else ClockTimestamp(offset_ms=-untaken_ms),
            trouble=vitals.trouble,
        )
    )


def vouch(*, host: str, living: Mapping[int, str], silent_seconds: float) -> int:
    """Record a heartbeat for worker processes that are too busy to record it. Return their number.

    One that was declared dead stays dead.

    Parameters:
      host: Identity of their host.
      living: Starts of processes that live, by pid.
      silent_seconds: Seconds since the last heartbeat of a process that counts as silent.
    """
    before = ClockTimestamp(offset_ms=-silent_seconds * 1000)
    silent = WorkerProcess.objects.filter(host=host, pid__in=living, stopped_at=None, beat_at__lt=before)
    found = [pk for pk, pid, started in silent.values_list("pk", "pid", "process_started") if living[pid] == started]
    if not found:
        return 0
    return WorkerProcess.objects.filter(pk__in=found, stopped_at=None).update(
        beat_at=ClockTimestamp(), beats=F("beats") + 1
    )


def stop(worker_id: uuid.UUID) -> bool:
    """Record that a process stopped or died. Return whether it lived until now."""
    return bool(WorkerProcess.objects.filter(pk=worker_id, stopped_at=None).update(stopped_at=ClockTimestamp()))


def living() -> list[WorkerProcess]:
    """Return the processes of all kinds that have neither stopped nor been declared dead."""
    return list(WorkerProcess.objects.filter(stopped_at=None))


def dead_holders() -> list[uuid.UUID]:
    """Return the processes that hold tasks according to the rows but have stopped or are unknown."""
    alive = WorkerProcess.objects.filter(stopped_at=None)
    held = TaskStatus.objects.filter(status=states.PROCESSING).exclude(worker_id__in=alive.values("pk"))
    holders = held.values_list("worker_id", flat=True).order_by().distinct()
    return [worker_id for worker_id in holders if worker_id is not None]


def stopped_within(time: timedelta) -> list[WorkerProcess]:
    """Return the workers that stopped or were declared dead within the last `time`."""
    after = ClockTimestamp(offset_ms=-time.total_seconds() * 1000)
    return list(WorkerProcess.objects.workers().filter(stopped_at__gt=after))


def forget(*, older_than: timedelta) -> int:
    """Delete processes that stopped longer ago than that. Return their number."""
    before = ClockTimestamp(offset_ms=-older_than.total_seconds() * 1000)
    return WorkerProcess.objects.filter(stopped_at__lt=before).delete()[0]


def taken_by(workers: Iterable[WorkerProcess], known: Collection[str]) -> set[str]:
    """Return the queues that the workers take from.

    Parameters:
      known: Queues that this code declares. A worker of an earlier version names none if it takes from all.
    """
    return {name for worker in workers for name in worker.queue_names or known}


def untaken(workers: Iterable[WorkerProcess], known: Collection[str]) -> list[str]:
    """Return the known queues that no worker takes, by name."""
    return sorted(set(known) - taken_by(workers, known))
