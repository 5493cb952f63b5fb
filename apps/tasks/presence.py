"""Presence of worker, relay and scheduler processes. Each one writes its own heartbeat, and relays judge by it."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from django.db.models import F

from apps.tasks import code_version, deploys, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import TaskStatus, WorkerProcess
from apps.tasks.values import Vitals

NO_VITALS = Vitals()

#: Ended processes that are kept, at most, and the time for which all of them are: messages that they had fetched may
#: still be requeued.
MOST_ENDED, ALL_KEPT_FOR = 1_000, timedelta(hours=1)


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
    """Record that a process starts, and the deploy if its code is new."""
    version = code_version.of_this_code()
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
        code_version=version,
        started_at=ClockTimestamp(),
        beat_at=ClockTimestamp(),
    )
    deploys.note(version)


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
            is_quiet=vitals.is_quiet,
        )
    )


def request(worker_id: uuid.UUID, wanted: str) -> bool:
    """Ask a living worker to take nothing new, to stop, or, with an empty text, to work again. Return whether it took.

    A request to stop stands.

    Parameters:
      wanted: A word of `WorkerProcess.WANTED_CHOICES`, or an empty text.
    """
    living = WorkerProcess.objects.workers().filter(pk=worker_id, stopped_at=None)
    return bool(living.exclude(wanted=WorkerProcess.WANTED_STOP).update(wanted=wanted))


def wanted(worker_id: uuid.UUID) -> str:
    """Return the request that an operator made of a worker. Empty: none."""
    return WorkerProcess.objects.filter(pk=worker_id).values_list("wanted", flat=True).first() or ""


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


def stop(worker_id: uuid.UUID, *, ended: str = "") -> bool:
    """Record that a process stopped or died. Return whether it lived until now.

    Parameters:
      ended: How it ended, as a word of `WorkerProcess.ENDED_CHOICES`. Empty: that is not known, or is known already.
    """
    known = {"ended": ended} if ended else {}
    return bool(
        WorkerProcess.objects.filter(pk=worker_id, stopped_at=None).update(stopped_at=ClockTimestamp(), **known)
    )


def note_end(*, host: str, pid: int, ended: str) -> bool:
    """Record how a process ended that could not record it. Return whether there was one. The relay tells that it died.

    Parameters:
      host: Identity of its host.
      ended: A word of `WorkerProcess.ENDED_CHOICES`.
    """
    mine = WorkerProcess.objects.filter(host=host, pid=pid).order_by("-started_at").first()
    return mine is not None and bool(WorkerProcess.objects.filter(pk=mine.pk, ended="").update(ended=ended))


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
    """Delete processes that ended longer ago than that, and all but the last `MOST_ENDED`. Return their number.

    Processes that die again and again must not fill the table.
    """
    before = ClockTimestamp(offset_ms=-older_than.total_seconds() * 1000)
    forgotten = WorkerProcess.objects.filter(stopped_at__lt=before).delete()[0]
    ended = WorkerProcess.objects.filter(stopped_at__isnull=False).order_by("-stopped_at")
    surplus = list(ended.values_list("pk", flat=True)[MOST_ENDED:])
    recent = ClockTimestamp(offset_ms=-ALL_KEPT_FOR.total_seconds() * 1000)
    # In pages: SQLite takes a limited number of values.
    for start in range(0, len(surplus), MOST_ENDED):
        page = surplus[start : start + MOST_ENDED]
        forgotten += WorkerProcess.objects.filter(pk__in=page, stopped_at__lt=recent).delete()[0]
    return forgotten


def taken_by(workers: Iterable[WorkerProcess], known: Collection[str]) -> set[str]:
    """Return the queues that the workers take from, once they are not quiet.

    Parameters:
      known: Queues that this code declares. A worker of an earlier version names none if it takes from all.
    """
    return {name for worker in workers for name in worker.queue_names or known}


def untaken(workers: Iterable[WorkerProcess], known: Collection[str]) -> list[str]:
    """Return the known queues that no worker takes, by name. Quiet workers take none."""
    return sorted(set(known) - taken_by((worker for worker in workers if not worker.wanted), known))
