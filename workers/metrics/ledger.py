"""Metrics from the rows. They are right however many processes there are, and go on after a restart."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import accumulate

from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from apps.tasks.conf import conf
from apps.tasks.figures import BOUNDS_SECONDS
from apps.tasks.metrics.backlog import Backlog
from apps.tasks.metrics.events import Events
from apps.tasks.metrics.limits import LimitFigures
from apps.tasks.metrics.look import Figures
from apps.tasks.metrics.schedules import ScheduleFigures
from apps.tasks.models import WorkerProcess
from apps.tasks.models.alert import KINDS
from apps.tasks.pauses import Paused
from apps.tasks.presence import taken_by
from workers.metrics import catalogue
from workers.metrics.growth import grown

#: Columns of the counts that are ends of a task.
OUTCOMES = ("completed", "failed", "cancelled")


def metrics(figures: Figures, *, queues: Collection[str]) -> Iterator[Metric]:
    """Yield the metrics of the parts that could be read.

    Parameters:
      queues: Queues that this code declares. They have figures also while nothing waits.
    """
    paused = figures.paused or Paused()
    if figures.paused is not None:
        yield catalogue.QUEUE_PAUSED.of(
            (name, float(name in paused.queues)) for name in sorted({*queues, *paused.queues})
        )
        yield catalogue.ACTOR_PAUSED.of((name, 1.0) for name in sorted(paused.actors))
    if figures.backlog is not None:
        yield from _backlog(figures.backlog, queues=queues, limits=figures.limits or (), paused=paused)
    if figures.limits is not None:
        yield from _limits(figures.limits)
    if figures.processes is not None:
        yield from _processes(figures.processes, queues=queues)
    if figures.schedules is not None:
        yield from _schedules(figures.schedules)
    if figures.alerts is not None:
        firing = figures.alerts
        yield catalogue.ALERTS_FIRING.of((kind, firing.get(kind, 0)) for kind in KINDS)
    if figures.events is not None:
        yield from _events(figures.events)


def _backlog(
    backlog: Backlog, *, queues: Collection[str], limits: Collection[LimitFigures], paused: Paused
) -> Iterator[Metric]:
    waiting, oldest, scheduled, held, running = (defaultdict[str, float](float) for _ in range(5))
    in_pause = defaultdict[str, float](float)
    in_line, oldest_in_line = (defaultdict[str, float](float) for _ in range(2))
    for group in backlog.waiting:
        if not group.is_due:
            scheduled[group.queue_name] += group.number
        elif paused.of(queue_name=group.queue_name, task_name=group.task_name):
            in_pause[group.queue_name] += group.number
        elif group.in_line:
            in_line[group.task_name] += group.number
            oldest_in_line[group.task_name] = max(oldest_in_line[group.task_name], group.oldest_seconds)
        else:
            waiting[group.queue_name] += group.number
            oldest[group.queue_name] = max(oldest[group.queue_name], group.oldest_seconds)
    for row in backlog.held:
        held[row.queue_name] += row.number
        running[row.queue_name] += row.running
    names = sorted({*queues, *waiting, *scheduled, *held, *in_pause})
    yield catalogue.WAITING.of((name, waiting[name]) for name in names)
    yield catalogue.OLDEST_WAITING.of((name, oldest[name]) for name in names)
    yield catalogue.PAUSED_WAITING.of((name, in_pause[name]) for name in names)
    yield catalogue.SCHEDULED.of((name, scheduled[name]) for name in names)
    yield catalogue.HELD.of((name, held[name]) for name in names)
    yield catalogue.RUNNING.of((name, running[name]) for name in names)
    yield catalogue.BACKLOG_TRUNCATED.of([(float(backlog.is_truncated),)])
    actors = sorted({*in_line, *(limit.task_name for limit in limits)})
    yield catalogue.LIMIT_WAITING.of((name, in_line[name]) for name in actors)
    yield catalogue.LIMIT_OLDEST_WAITING.of((name, oldest_in_line[name]) for name in actors)


def _limits(limits: Collection[LimitFigures]) -> Iterator[Metric]:
    yield catalogue.LIMIT_USED.of((limit.task_name, limit.used) for limit in limits)
    yield catalogue.LIMIT_CONCURRENCY.of(
        (limit.task_name, limit.concurrency) for limit in limits if limit.concurrency is not None
    )


def _processes(processes: Collection[WorkerProcess], *, queues: Collection[str]) -> Iterator[Metric]:
    beating = [process for process in processes if _silent_seconds(process) < conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS]
    by_kind = {kind: [one for one in beating if one.kind == kind] for kind, _ in WorkerProcess.KIND_CHOICES}
    workers = by_kind[WorkerProcess.KIND_WORKER]
    silent: dict[str, float] = {}
    for process in processes:
        silent[process.kind] = min(_silent_seconds(process), silent.get(process.kind, float("inf")))
    taken = [taken_by([worker], queues) for worker in workers]
    names = sorted(set(queues).union(*taken))
    yield catalogue.PROCESSES.of((kind, len(found)) for kind, found in by_kind.items())
    yield catalogue.PROCESS_MEMORY.of(
        (kind, sum(process.memory_mb for process in found) * 1024 * 1024) for kind, found in by_kind.items()
    )
    yield catalogue.HEARTBEAT_AGE.of(sorted(silent.items()))
    yield catalogue.THREADS.of([(sum(worker.threads for worker in workers),)])
    yield catalogue.BUSY_THREADS.of([(sum(worker.busy_threads for worker in workers),)])
    yield catalogue.TROUBLED.of([(sum(bool(worker.trouble) for worker in workers),)])
    yield catalogue.QUEUE_WORKERS.of((name, sum(name in found for found in taken)) for name in names)


def _silent_seconds(process: WorkerProcess) -> float:
    seconds: float | None = process.silent_seconds  # type: ignore[attr-defined]
    return float("inf") if seconds is None else max(0.0, seconds)


def _schedules(schedules: Collection[ScheduleFigures]) -> Iterator[Metric]:
    yield catalogue.SCHEDULE_DELAY.of((schedule.name, schedule.delay_seconds) for schedule in schedules)
    yield catalogue.SCHEDULE_MISSED.of((schedule.name, schedule.missed) for schedule in schedules)
    yield catalogue.SCHEDULE_BROKEN.of((schedule.name, float(schedule.is_broken)) for schedule in schedules)


def _events(events: Events) -> Iterator[Metric]:
    counts = sorted((names, grown(names, found)) for names, found in events.totals.items())
    yield catalogue.COUNTED_AGE.of([(events.counted_seconds,)])
    yield catalogue.SENT.of((*names, found.sent) for names, found in counts)
    yield catalogue.ENDED.of(
        (*names, outcome, getattr(found, outcome)) for names, found in counts for outcome in OUTCOMES
    )
    yield catalogue.RETRIES.of((*names, found.retried) for names, found in counts)
    yield catalogue.CRASHES.of((*names, found.rescued) for names, found in counts)
    yield catalogue.WAIT.of((*names, _cumulated(found.waits), found.wait_ms / 1000) for names, found in counts)
    yield catalogue.RUN.of((*names, _cumulated(found.runs), found.run_ms / 1000) for names, found in counts)


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    bounds = [*map(floatToGoString, BOUNDS_SECONDS), "+Inf"]
    return list(zip(bounds, map(float, accumulate(counts)), strict=True))
