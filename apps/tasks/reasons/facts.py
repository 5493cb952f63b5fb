"""Facts that a reason is made of. Each is read when it is asked for, once."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import dramatiq
from django.db.models import Q, Sum
from django.utils import timezone
from dramatiq.middleware import Retries

from apps.tasks import health, pauses, presence, stalls, states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.limits.rate import BadRateError, Rate
from apps.tasks.models import Limit, LimitedStart, Pause, ScheduleSlot, TaskStatus, WorkerProcess
from apps.tasks.processes import Processes

#: Tasks before a task that are counted, at most.
MOST_BEFORE = 1_000
#: Oldest pending tasks among which those before a task are looked for.
SAMPLE = 1_000


class Count(NamedTuple):
    """A number of tasks.

    Parameters:
      is_capped: Whether there may be more.
    """

    number: int
    is_capped: bool = False


class LimitUse(NamedTuple):
    """Use of the limit for which a task waits.

    Parameters:
      used: Sum of the weights of the tasks that have a place.
      started: Sum of the weights that started within the stretch of the rate.
      rate: None: it has none.
    """

    used: int
    started: int
    rate: Rate | None


class Facts(Processes):
    """Facts about one task.

    Parameters:
      task: Its row, as the caller has read it.
    """

    def __init__(self, task: TaskStatus) -> None:
        self.task = task

    @cached_property
    def now(self) -> datetime:
        """The time, by the database's clock."""
        row = TaskStatus.objects.filter(pk=self.task.pk).annotate(clock=ClockTimestamp())
        return row.values_list("clock", flat=True).first() or timezone.now()

    @property
    def waited(self) -> timedelta:
        """The time since the task could run. Negative: it is not due."""
        return self.now - self.task.run_at

    @cached_property
    def queue_workers(self) -> list[WorkerProcess]:
        """The living workers of the task's queue, quiet and stopping ones included."""
        known = dramatiq.get_broker().get_declared_queues()
        return [one for one in self.workers if self.task.queue_name in presence.taken_by([one], known)]

    @cached_property
    def queue_takers(self) -> list[WorkerProcess]:
        """Those of them that take tasks."""
        return [one for one in self.takers if one in self.queue_workers]

    @cached_property
    def idle_takers(self) -> list[WorkerProcess]:
        """Those of them that cannot work, or take nothing although this task waits for them."""
        waiting = {self.task.queue_name: self.waited.total_seconds()}
        return stalls.stalled(self.queue_takers, waiting, known=dramatiq.get_broker().get_declared_queues())

    @cached_property
    def pause(self) -> Pause | None:
        """The pause of its queue or its actor."""
        return pauses.of(self.task)

    @cached_property
    def server_error(self) -> tuple[str, BaseException] | None:
        """The name and the error of a server that is away, such as Redis."""
        for name, error_of in health.servers.items():
            if (error := error_of()) is not None:
                return name, error
        return None

    @cached_property
    def holding_slot(self) -> ScheduleSlot | None:
        """The slot whose task this is, and which waits for the previous run of its schedule."""
        slots = ScheduleSlot.objects.filter(is_held=True, task_id=self.task.task_id)
        return slots.select_related("schedule").order_by("pk").first()

    @cached_property
    def before(self) -> Count:
        """The due tasks of its queue that are handed out before it, of the oldest pending ones."""
        oldest = TaskStatus.objects.filter(status=states.PENDING).order_by("pk")
        columns = ("pk", "priority", "queue_name", "delayed", "in_line", "run_at")
        rows = list(oldest.values_list(*columns)[: SAMPLE + 1])
        own = (self.task.priority, self.task.pk)
        number = sum(
            queue == self.task.queue_name and not delayed and not in_line and run_at <= self.now and (level, pk) < own
            for pk, level, queue, delayed, in_line, run_at in rows[:SAMPLE]
        )
        return Count(number, is_capped=len(rows) > SAMPLE)

    @cached_property
    def suspects(self) -> int:
        """The number of tasks that a worker holds although a worker died with them."""
        return TaskStatus.objects.filter(status=states.PROCESSING, crashes__gt=0).exclude(pk=self.task.pk).count()

    @cached_property
    def holder(self) -> WorkerProcess | None:
        """The process that holds the task, alive or not."""
        if self.task.worker_id is None:
            return None
        return next(
            (one for one in self.processes if one.pk == self.task.worker_id),
            WorkerProcess.objects.filter(pk=self.task.worker_id).first(),
        )

    @cached_property
    def max_retries(self) -> int | None:
        """The number of its automatic retries. None: it has no limit, or this code does not know its actor."""
        broker = dramatiq.get_broker()
        options = self.task.options if isinstance(self.task.options, dict) else {}
        actor = broker.actors.get(self.task.task_name)
        usual = next((one.max_retries for one in broker.middleware if isinstance(one, Retries)), None)
        declared = actor.options.get("max_retries", usual) if actor is not None else None
        found = options.get("max_retries", declared)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    # --- Its limit ---

    @cached_property
    def limit(self) -> Limit | None:
        return Limit.objects.filter(task_name=self.task.task_name).first()

    @cached_property
    def limit_use(self) -> LimitUse:
        """The places of its line, or of all lines together if they take turns."""
        rows = TaskStatus.objects.filter(task_name=self.task.task_name)
        starts: Any = LimitedStart.objects.filter(task_name=self.task.task_name)
        if self.limit is None or not self.limit.is_fair:
            rows, starts = rows.filter(line=self.task.line), starts.filter(line=self.task.line)
        rate, started = None, 0
        if self.limit is not None and self.limit.rate_limit:
            try:
                rate = Rate.of(self.limit.rate_limit)
            except BadRateError:  # Another program wrote it.
                rate = None
        if rate is not None:
            since = ClockTimestamp(offset_ms=-rate.window_ms)
            for found in (rows.filter(line__isnull=False), starts):
                started += found.filter(started_at__gt=since).aggregate(sum=Sum("weight", default=0))["sum"]
        return LimitUse(rows.with_place().aggregate(sum=Sum("weight", default=0))["sum"], started, rate)

    @cached_property
    def before_in_line(self) -> Count:
        """The tasks of its line that have their turn before it, unless the oldest has it."""
        task = self.task
        line = TaskStatus.objects.in_line().filter(task_name=task.task_name, line=task.line)
        urgent = line.filter(Q(priority__lt=task.priority) | Q(priority=task.priority, pk__lt=task.pk))
        number = urgent.order_by("priority", "pk")[: MOST_BEFORE + 1].count()
        return Count(min(number, MOST_BEFORE), is_capped=number > MOST_BEFORE)
