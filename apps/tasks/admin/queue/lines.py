"""The lines of the page of the queues."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext, ngettext_lazy

from apps.tasks import duration, figures, pauses, presence, states
from apps.tasks.admin import elements
from apps.tasks.admin.now.addresses import tasks
from apps.tasks.figures import Counts
from apps.tasks.metrics import backlog
from apps.tasks.models import Pause, WorkerProcess

#: Pending rows that are read from either end.
SAMPLE = 5_000
#: Queues that are shown. Another program may name any number.
MOST = 200

WORKERS = ngettext_lazy("%(count)s worker", "%(count)s workers", "number")
THREADS = ngettext_lazy("%(count)s thread", "%(count)s threads", "number")


@dataclass
class Depth:
    """Unfinished tasks of a queue."""

    waiting: int = 0
    later: int = 0
    held: int = 0
    oldest_seconds: float = 0.0


def of_all() -> dict[str, Any]:
    """Return the queues with their figures. The number of statements is the same for any number of queues and rows."""
    unfinished = backlog.read(sample=SAMPLE)
    depths: defaultdict[str, Depth] = defaultdict(Depth)
    for group in unfinished.waiting:
        depth = depths[group.queue_name]
        if group.is_due:
            depth.waiting += group.number
            depth.oldest_seconds = max(depth.oldest_seconds, group.oldest_seconds)
        else:
            depth.later += group.number
    for held in unfinished.held:
        depths[held.queue_name].held += held.number
    hour = figures.over(figures.HOUR).by_queue()
    paused = pauses.read().queues
    workers = list(WorkerProcess.objects.workers().beating())
    declared = pauses.known_queues(workers)
    names = sorted({*declared, *depths, *hour, *paused})
    return {
        "lines": [
            _line(
                name,
                depths[name],
                hour.get(name) or Counts(),
                paused.get(name),
                [worker for worker in workers if name in presence.taken_by([worker], declared)],
                is_truncated=unfinished.is_truncated,
            )
            for name in names[:MOST]
        ],
        "more": max(0, len(names) - MOST),
        "sample": elements.number(2 * SAMPLE) if unfinished.is_truncated else "",
    }


def _line(
    name: str, depth: Depth, hour: Counts, pause: Pause | None, workers: list[WorkerProcess], *, is_truncated: bool
) -> dict[str, Any]:
    more = "+" if is_truncated else ""
    ended = hour.completed + hour.failed + hour.cancelled
    return {
        "name": name,
        "kind": pauses.QUEUE,
        "pause": pause,
        "since": elements.timestamp(pause.since, short=True) if pause else "",
        "waiting": elements.number(depth.waiting) + (more if depth.waiting else ""),
        "waiting_url": tasks(status__exact=states.PENDING, queue=name),
        "later": elements.number(depth.later) + more if depth.later else "",
        "oldest": duration.in_words(timedelta(seconds=depth.oldest_seconds)) if depth.waiting else elements.NOTHING,
        "running": elements.number(depth.held),
        "running_url": tasks(status__exact=states.PROCESSING, queue=name),
        "sent": elements.number(hour.sent),
        "sent_url": tasks(queue=name, created="hour"),
        "ended": elements.number(ended),
        "ended_url": tasks(queue=name, ended="hour"),
        "failed": elements.number(hour.failed),
        "failed_url": tasks(status__exact=states.FAILED, queue=name, ended="hour"),
        "has_failed": bool(hour.failed),
        "workers": elements.counted(WORKERS, len(workers)) if workers else gettext("no worker"),
        "threads": elements.counted(THREADS, sum(worker.threads for worker in workers)) if workers else "",
        "is_unserved": not workers and pause is None,
    }
