"""Worker, relay and scheduler processes."""

import uuid

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from apps.tasks.clock import ClockTimestamp
from apps.tasks.conf import conf
from apps.tasks.queues import NAME_MAX_LENGTH


class WorkerProcessQuerySet(models.QuerySet["WorkerProcess"]):
    """Query words for processes."""

    def workers(self) -> "WorkerProcessQuerySet":
        """Return the processes that run tasks: neither relays nor schedulers."""
        return self.filter(kind=WorkerProcess.KIND_WORKER)

    def beating(self) -> "WorkerProcessQuerySet":
        """Return the processes whose last heartbeat is younger than the timeout, by the database's clock."""
        since = ClockTimestamp(offset_ms=-1000 * conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS)
        return self.filter(stopped_at=None, beat_at__gt=since)

    def with_idle_time(self) -> "WorkerProcessQuerySet":
        """Add `idle_time`: the time since a worker took a task, or had no thread free, or started."""
        idle = models.ExpressionWrapper(
            ClockTimestamp() - Coalesce("taken_at", "started_at"), output_field=models.DurationField()
        )
        return self.annotate(idle_time=idle)


class WorkerProcess(models.Model):
    """A worker, relay or scheduler process, alive or gone. Relays judge it by its heartbeat."""

    KIND_WORKER = "worker"
    KIND_RELAY = "relay"
    KIND_SCHEDULER = "scheduler"

    KIND_CHOICES = [(KIND_WORKER, _("Worker")), (KIND_RELAY, _("Relay")), (KIND_SCHEDULER, _("Scheduler"))]

    #: Words of `wanted`.
    WANTED_QUIET, WANTED_STOP = "quiet", "stop"
    WANTED_CHOICES = [(WANTED_QUIET, _("Take nothing new")), (WANTED_STOP, _("Stop"))]

    #: Words of `ended`.
    ENDED_STOPPED, ENDED_RECYCLED, ENDED_MEMORY = "stopped", "recycled", "memory"
    ENDED_KILLED, ENDED_OUT_OF_MEMORY, ENDED_CRASHED, ENDED_SILENT = "killed", "oom", "crashed", "silent"
    ENDED_CHOICES = [
        (ENDED_STOPPED, _("Stopped")),
        (ENDED_RECYCLED, _("Replaced after its number of tasks")),
        (ENDED_MEMORY, _("Replaced above its limit of memory")),
        (ENDED_KILLED, _("Killed from outside")),
        (ENDED_OUT_OF_MEMORY, _("Killed, as the machine had no memory left")),
        (ENDED_CRASHED, _("Crashed")),
        (ENDED_SILENT, _("Declared dead while it was silent")),
    ]

    #: Words of `trouble`.
    TROUBLE_CLAIMS = "claims"
    TROUBLE_WRITER = "writer"
    TROUBLES = {TROUBLE_CLAIMS: _("It cannot claim tasks"), TROUBLE_WRITER: _("It cannot write outcomes")}

    id = models.UUIDField(
        _("id"),
        primary_key=True,
        default=uuid.uuid4,
        help_text=_("Identity of the process. Written by the worker when it starts."),
    )
    kind = models.CharField(
        _("kind"),
        max_length=20,
        choices=KIND_CHOICES,
        default=KIND_WORKER,
        help_text=_("Work of the process: worker, relay or scheduler. Written by the process when it starts."),
    )
    broker_id = models.CharField(
        _("broker id"),
        max_length=64,
        help_text=_("Name under which Redis keeps the messages that it fetched. Written by the worker when it starts."),
    )
    host = models.CharField(
        _("host"),
        max_length=255,
        help_text=_("Boot id and pid namespace, which identify a host. Written by the worker when it starts."),
    )
    hostname = models.CharField(
        _("hostname"), max_length=255, help_text=_("Name of the host. Written by the worker when it starts.")
    )
    pid = models.PositiveIntegerField(
        _("pid"), help_text=_("Process id on that host. Written by the worker when it starts.")
    )
    process_started = models.CharField(
        _("process started"),
        max_length=64,
        help_text=_(
            "Start by the kernel's count, which tells later processes with this pid apart. Written by the worker."
        ),
    )
    queues = models.JSONField(
        _("queues"),
        default=list,
        help_text=_("Queues that it fetches from. Empty: all. Written by the worker when it starts."),
    )
    threads = models.PositiveIntegerField(
        _("threads"), help_text=_("Number of tasks that run at once. Written by the worker when it starts.")
    )
    started_at = models.DateTimeField(
        _("started at"), help_text=_("Start of the process, in UTC. Written by the worker.")
    )
    beat_at = models.DateTimeField(_("beat at"), help_text=_("Last heartbeat, in UTC. Written by the worker."))
    beats = models.BigIntegerField(
        _("beats"),
        default=0,
        help_text=_(
            "Number of heartbeats. Written by the worker. The relay declares a worker dead when it stands still."
        ),
    )
    memory_mb = models.PositiveIntegerField(
        _("memory"),
        default=0,
        db_default=0,
        help_text=_("Resident memory in MB at the last heartbeat. Written by the process."),
    )
    busy_threads = models.PositiveIntegerField(
        _("busy threads"),
        default=0,
        db_default=0,
        help_text=_("Threads that ran a task at the last heartbeat. Written by the worker."),
    )
    tasks_done = models.BigIntegerField(
        _("tasks done"),
        default=0,
        db_default=0,
        help_text=_("Number of runs that ended in this process, however they did. Written by the worker."),
    )
    taken_at = models.DateTimeField(
        _("taken at"),
        null=True,
        blank=True,
        help_text=_(
            "Last time at which it took a task, or had no thread free for one, in UTC. Written by the worker. "
            "Empty: never."
        ),
    )
    trouble = models.CharField(
        _("trouble"),
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text=_("Why it cannot work: claims or writer. Written by the worker. Empty: it can."),
    )
    stopped_at = models.DateTimeField(
        _("stopped at"),
        null=True,
        blank=True,
        help_text=_("End of the process, in UTC. Written by the worker when it stops or by the relay if it died."),
    )

    code_version = models.CharField(
        _("code version"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text=_("Version of its code. Written by the process when it starts. Empty: it is not known."),
    )
    wanted = models.CharField(
        _("wanted"),
        max_length=10,
        choices=WANTED_CHOICES,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "What an operator asked it to do. Written by staff. The worker reads it with each heartbeat. Empty: work."
        ),
    )
    is_quiet = models.BooleanField(
        _("quiet"),
        default=False,
        db_default=False,
        help_text=_("Whether it takes no tasks, as an operator asked. Written by the worker with each heartbeat."),
    )
    ended = models.CharField(
        _("ended"),
        max_length=10,
        choices=ENDED_CHOICES,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "How the process ended. Written by the process when it stops or by its supervisor if it died. Empty: it "
            "lives, or no supervisor saw its end."
        ),
    )

    objects = WorkerProcessQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        verbose_name = _("process")
        verbose_name_plural = _("processes")

    def __str__(self) -> str:
        return f"{self.hostname}:{self.pid}"

    @property
    def queue_names(self) -> list[str]:
        """Return the queues that it takes from. Empty: all, as a value of another kind."""
        found: object = self.queues
        names = [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
        return [name[:NAME_MAX_LENGTH] for name in names]
