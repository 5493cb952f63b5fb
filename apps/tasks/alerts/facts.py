"""Facts that conditions are made of. Each is a query with an index or a stated limit, however large the ledger is."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import dramatiq
from django.db import connection
from django.db.models import Count, Sum

from apps.tasks import health, pauses, presence, states
from apps.tasks.clock import ClockTimestamp, SecondsSince
from apps.tasks.conf import conf
from apps.tasks.figures import Counts
from apps.tasks.models import Limit, Schedule, ScheduleSlot, Tally, TaskAttempt, TaskStatus
from apps.tasks.models.tally import HOUR, MINUTE
from apps.tasks.processes import Processes
from apps.tasks.statements import lines, pending

#: Pending tasks that are read from either end of the queues, and running ones, at most.
SAMPLE, MOST_RUNNING = 500, 50
#: Attempts that failed last, among which poison is looked for, and actors whose line is looked at.
MOST_ATTEMPTS, MOST_ACTORS = 5_000, 20
#: Newest pending tasks that are counted to tell a full queue, at most.
MOST_PENDING = 100_000
#: Seconds that a task runs at least before its usual time is looked up.
LEAST_RUN_SECONDS = 60.0
#: Time from which usual times are taken.
USUAL = timedelta(days=1)
#: Actors that tell alerts. Their own failures start none, or telling them would fail, too.
TELLING = ("tasks.mail_alert", "tasks.post_alert")

#: Percentages of memory in use of servers that this app does not know, by their names. None: not known.
memory: dict[str, Callable[[], float | None]] = {}


class Runs(NamedTuple):
    """Runs of an actor that ended, and those of them that failed, with those that are retried."""

    ended: int
    failed: int


class Running(NamedTuple):
    """A task that has run for long.

    Parameters:
      usual: Seconds within which 95 of 100 runs of its actor ended.
      runs: Number of these runs.
    """

    task_name: str
    seconds: float
    usual: float
    runs: int


class Facts(Processes):
    """One look. Each fact is read when a rule asks for it, once.

    Parameters:
      schedules: All schedules.
    """

    def __init__(self) -> None:
        self.runs = lru_cache(self._runs)
        self.poison = lru_cache(self._poison)
        self.missed = lru_cache(self._missed)

    # --- Processes and servers ---

    @property
    def has_free_thread(self) -> bool:
        return any(worker.busy_threads < worker.threads for worker in self.takers)

    @cached_property
    def servers_away(self) -> dict[str, BaseException]:
        """Errors of the servers that do not answer, by name."""
        found = {name: error_of() for name, error_of in health.servers.items()}
        return {name: error for name, error in found.items() if error is not None}

    # --- Queues ---

    @property
    def known_queues(self) -> set[str]:
        return set(dramatiq.get_broker().get_declared_queues())

    @cached_property
    def taken_queues(self) -> set[str]:
        return presence.taken_by(self.takers, self.known_queues)

    @cached_property
    def paused(self) -> pauses.Paused:
        return pauses.read()

    @cached_property
    def due(self) -> tuple[dict[str, float], dict[str, float]]:
        """Seconds for which the oldest due task of each queue has waited, of all tasks and of published ones."""
        return health.oldest_due(sample=SAMPLE)

    @property
    def oldest(self) -> dict[str, float]:
        """The first of them. Tasks of a paused queue wait as they should."""
        return {name: waited for name, waited in self.due[0].items() if name not in self.paused.queues}

    @property
    def untaken(self) -> dict[str, float]:
        """The second of them."""
        return {name: waited for name, waited in self.due[1].items() if name not in self.paused.queues}

    @cached_property
    def fill(self) -> dict[str, float]:
        """Percent of `max_waiting` in use, by queue. Of a long backlog the newest tasks are counted."""
        limits = {name: queue.max_waiting for name, queue in conf.TASK_QUEUES.items() if queue.max_waiting}
        if not limits:
            return {}
        waiting = pending.by_queue(limit=min(max(limits.values()) * 2, MOST_PENDING))
        return {name: 100.0 * waiting.get(name, 0) / most for name, most in limits.items()}

    # --- Limits ---

    @cached_property
    def in_line(self) -> dict[str, float]:
        """Seconds for which the oldest task in line has waited, by actor."""
        found = {}
        for name in lines.actors()[:MOST_ACTORS]:
            rows = TaskStatus.objects.in_line().filter(task_name=name).order_by("line", "pk")
            waits = rows.annotate(seconds=SecondsSince("run_at")).values_list("seconds", flat=True)[:SAMPLE]
            found[name] = max((seconds for seconds in waits if seconds is not None), default=0.0)
        return found

    @cached_property
    def limits(self) -> dict[str, Limit]:
        """Limits of the actors whose tasks wait in line, by actor."""
        return {limit.task_name: limit for limit in Limit.objects.filter(task_name__in=self.in_line)}

    # --- Runs ---

    def _runs(self, minutes: int) -> dict[str, Runs]:
        since = ClockTimestamp(offset_ms=-60_000 * (minutes + 1))
        rows = Tally.objects.filter(span=MINUTE, start__gte=since).exclude(task_name__in=TELLING)
        summed = rows.values_list("task_name").annotate(Sum("completed"), Sum("failed"), Sum("retried")).order_by()
        return {
            name: Runs(ended=completed + failed + retried, failed=failed + retried)
            for name, completed, failed, retried in summed
        }

    def _poison(self, minutes: int) -> dict[str, int]:
        since = ClockTimestamp(offset_ms=-60_000 * minutes)
        last = TaskAttempt.objects.filter(ended_at__gte=since).order_by("-ended_at").values("pk")[:MOST_ATTEMPTS]
        rows = TaskAttempt.objects.filter(pk__in=last, outcome=states.POISON.name).order_by()
        return dict(rows.exclude(task__task_name__in=TELLING).values_list("task__task_name").annotate(Count("pk")))

    @cached_property
    def running(self) -> list[Running]:
        """Tasks that have run for long, the longest first."""
        rows = TaskStatus.objects.filter(status=states.PROCESSING, started_at__isnull=False)
        aged = rows.exclude(task_name__in=TELLING).annotate(seconds=SecondsSince("started_at"))
        oldest = aged.order_by("started_at").values_list("task_name", "seconds")[:MOST_RUNNING]
        found = [(name, seconds) for name, seconds in oldest if seconds is not None and seconds >= LEAST_RUN_SECONDS]
        usual: defaultdict[str, Counts] = defaultdict(Counts)
        if found:
            since = ClockTimestamp(offset_ms=-1000 * USUAL.total_seconds())
            for row in Tally.objects.filter(span=HOUR, start__gte=since, task_name__in={name for name, _ in found}):
                usual[row.task_name].add(Counts.of(row))
        return [
            Running(name, seconds, usual[name].run_quantile(0.95) or 0.0, sum(usual[name].runs))
            for name, seconds in found
        ]

    # --- Schedules ---

    @cached_property
    def schedules(self) -> list[Schedule]:
        return list(Schedule.objects.order_by("next_at"))

    @cached_property
    def needs_scheduler(self) -> bool:
        return health.needs_scheduler()

    def _missed(self, minutes: int) -> dict[str, int]:
        since = ClockTimestamp(offset_ms=-60_000 * minutes)
        rows = ScheduleSlot.objects.filter(slot__gte=since, decided_at__gte=since, outcome=ScheduleSlot.MISSED)
        return dict(rows.order_by().values_list("schedule__name").annotate(Sum("count")))

    # --- Room ---

    @cached_property
    def disks(self) -> dict[str, float]:
        """Percent in use of the disks that can be known: that of a SQLite database."""
        path = Path(str(connection.settings_dict["NAME"]))
        if connection.vendor != "sqlite" or not path.is_file():
            return {}
        usage = shutil.disk_usage(path.parent)
        # As `df` counts: the part that is kept for the system's own user is in use.
        return {str(path.parent): 100.0 * usage.used / ((usage.used + usage.free) or 1)}

    @cached_property
    def memory(self) -> dict[str, float]:
        found = {name: percent_of() for name, percent_of in memory.items()}
        return {name: percent for name, percent in found.items() if percent is not None}
