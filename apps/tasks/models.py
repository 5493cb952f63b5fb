"""The rows of the ledger. `apps.tasks.ledger` alone writes them."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.core.models import BaseModel, User
from apps.tasks import states
from apps.tasks.clock import ClockTimestamp
from apps.tasks.schedules import cron as crons
from apps.tasks.schedules import policy as policies
from apps.tasks.schedules import zones
from apps.tasks.schedules.timing import Timing


class TaskStatusQuerySet(models.QuerySet["TaskStatus"]):
    """The words in which one asks for tasks."""

    def unfinished(self) -> "TaskStatusQuerySet":
        return self.filter(status__in=states.UNFINISHED)

    def finished(self) -> "TaskStatusQuerySet":
        return self.filter(status__in=states.TERMINAL)

    def due(self) -> "TaskStatusQuerySet":
        """Pending rows whose time has come, by the database's clock."""
        return self.filter(status=states.PENDING, run_at__lte=ClockTimestamp())

    def visible_to(self, user: "User") -> "TaskStatusQuerySet":
        """All rows for staff, one's own for everybody else."""
        return self if user.is_staff else self.filter(owner_id=user.pk)

    def about(self, instance: models.Model) -> "TaskStatusQuerySet":
        """Tasks whose actor is `related_to` the instance's model and that work on it."""
        return self.filter(related_object_type=instance._meta.label, related_object_id=instance.pk)


class TaskStatus(BaseModel):
    """What is true of one task, from its send to its end. Redis may be wiped; this row may not."""

    STATUS_PENDING = states.PENDING
    STATUS_PROCESSING = states.PROCESSING
    STATUS_COMPLETED = states.COMPLETED
    STATUS_FAILED = states.FAILED
    STATUS_CANCELLED = states.CANCELLED

    STATUS_CHOICES = [
        (STATUS_PENDING, "Pending"),
        (STATUS_PROCESSING, "Processing"),
        (STATUS_COMPLETED, "Completed"),
        (STATUS_FAILED, "Failed"),
        (STATUS_CANCELLED, "Cancelled"),
    ]

    # What a caller sees.
    task_id = models.CharField(max_length=255, unique=True, help_text="The Dramatiq message id, for life.")
    task_name = models.CharField(max_length=255, help_text="The actor's name, such as documents.process_document.")
    status = models.CharField(max_length=20, choices=STATUS_CHOICES, default=STATUS_PENDING)
    progress = models.IntegerField(default=0, validators=[MinValueValidator(0), MaxValueValidator(100)])
    progress_text = models.CharField(max_length=255, blank=True, help_text="What it is doing, in words.")
    result = models.JSONField(null=True, blank=True)
    error_message = models.TextField(blank=True)
    related_object_id = models.BigIntegerField(null=True, blank=True)
    related_object_type = models.CharField(max_length=255, blank=True, help_text="Such as documents.Document.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,  # Meta has one over rows with an owner.
        help_text="Who may see it besides staff.",
    )

    # The message: enough to send it again.
    queue_name = models.CharField(max_length=100, default="default")
    priority = models.IntegerField(default=0, help_text="Lower runs first.")
    args = models.JSONField(default=list)
    kwargs = models.JSONField(default=dict)
    options = models.JSONField(default=dict)

    # When it may run.
    run_at = models.DateTimeField(help_text="Not before this instant, by the database's clock.")
    delayed = models.BooleanField(
        default=False, help_text="The relay publishes it at `run_at`. Otherwise the sender did, on commit."
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Not started by then: it fails.")

    # Whose it is now.
    attempt = models.PositiveIntegerField(default=0, help_text="The fence: rises on every return to pending.")
    retries = models.PositiveIntegerField(default=0, help_text="How often it ran again because it failed.")
    crashes = models.PositiveIntegerField(default=0, help_text="How often its worker died while it ran.")
    claim_id = models.UUIDField(null=True, blank=True, help_text="The fetched batch that holds it.")
    worker_id = models.UUIDField(null=True, blank=True, help_text="The worker process that holds it or ended it.")
    claimed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    traceback = models.TextField(blank=True)

    objects = TaskStatusQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "task"
        verbose_name_plural = "tasks"
        indexes = [
            # Over unfinished rows only: they stay small however many rows are done.
            models.Index(
                fields=["run_at"],
                name="tasks_pending_delayed",
                condition=models.Q(status=states.PENDING, delayed=True),
            ),
            models.Index(fields=["id"], name="tasks_pending", condition=models.Q(status=states.PENDING)),
            models.Index(fields=["worker_id"], name="tasks_processing", condition=models.Q(status=states.PROCESSING)),
            models.Index(
                fields=["expires_at"],
                name="tasks_pending_expiring",
                condition=models.Q(status=states.PENDING, expires_at__isnull=False),
            ),
            # Tasks that are about nothing, or nobody's, do not pay for these.
            models.Index(
                fields=["related_object_type", "related_object_id"],
                name="tasks_related",
                condition=models.Q(related_object_id__isnull=False),
            ),
            models.Index(fields=["owner", "-id"], name="tasks_owner", condition=models.Q(owner__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=list(states.STATES)), name="tasks_status_is_known"),
            models.CheckConstraint(
                condition=models.Q(progress__gte=0) & models.Q(progress__lte=100), name="tasks_progress_is_a_percentage"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_name} ({self.status})"

    @property
    def is_finished(self) -> bool:
        return self.status in states.TERMINAL


class TaskAttempt(models.Model):
    """An attempt that did not complete. One that did leaves no row here, so success costs nothing."""

    task = models.ForeignKey(TaskStatus, on_delete=models.CASCADE, related_name="attempts")
    attempt = models.PositiveIntegerField()
    outcome = models.CharField(max_length=20, help_text="The move that ended it, such as retry or rescue.")
    error_message = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    worker_id = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField()

    class Meta:
        ordering = ["task_id", "attempt", "id"]
        constraints = [models.UniqueConstraint(fields=["task", "attempt"], name="tasks_attempt_ends_once")]

    def __str__(self) -> str:
        return f"attempt {self.attempt}: {self.outcome}"


class TaskGroup(models.Model):
    """How many tasks of a Dramatiq group have not completed yet. Gone when the last one has."""

    key = models.CharField(max_length=255, unique=True, help_text="Dramatiq's id of one run of the group.")
    remaining = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.remaining} left"


class WorkerProcess(models.Model):
    """A worker process that lives, or lived. Its heartbeat is what the relay judges it by."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, help_text="Made when the process boots.")
    broker_id = models.CharField(max_length=64, help_text="Under which Redis keeps what it fetched.")
    host = models.CharField(max_length=255, help_text="Boot id and pid namespace: what really makes a host.")
    hostname = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    process_started = models.CharField(max_length=64, help_text="Tells this process from a later one with its pid.")
    queues = models.JSONField(default=list, help_text="Queues it takes from. Empty: all.")
    threads = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(help_text="Its last heartbeat.")
    beats = models.BigIntegerField(default=0, help_text="Rises with each heartbeat: what the relay compares.")
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="Stopped by itself, or declared dead.")

    class Meta:
        ordering = ["-started_at"]
        verbose_name_plural = "worker processes"

    def __str__(self) -> str:
        return f"{self.hostname}:{self.pid}"


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """The words in which one asks for schedules."""

    def alive(self, *, actors: Iterable[str], declared: Iterable[str]) -> "ScheduleQuerySet":
        """Those that are enabled and whose actor, or whose declaration, is in this process's code.

        Parameters:
          actors: The names of the known actors.
          declared: The names of the declared schedules.
        """
        made_here = models.Q(declared_cron="", task_name__in=list(actors))
        return self.filter(made_here | ~models.Q(declared_cron="") & models.Q(name__in=list(declared)), enabled=True)

    def due(self, now: datetime) -> "ScheduleQuerySet":
        """Those with a slot that is to be fired."""
        return self.filter(next_at__lte=now)

    def with_last_run(self) -> Any:
        """Each with `last_slot` and `last_task_id`: the last one that was sent, by time or by hand, or None."""
        sent = ScheduleSlot.objects.filter(
            schedule=models.OuterRef("pk"), outcome__in=[ScheduleSlot.FIRED, ScheduleSlot.BY_HAND]
        ).order_by("-slot")
        return self.annotate(
            last_slot=models.Subquery(sent.values("slot")[:1]),
            last_task_id=models.Subquery(sent.values("task_id")[:1]),
        )


class Schedule(BaseModel):
    """When an actor is sent a message by itself: declared in the code, or made in the admin."""

    name = models.CharField(max_length=200, unique=True, help_text="What it is called here and in the terminal.")
    task_name = models.CharField("actor", max_length=255, help_text="What is sent a message at each slot.")
    kwargs = models.JSONField(
        "arguments", default=dict, blank=True, help_text='A JSON object, such as {"report_type": "summary"}.'
    )

    # When it comes.
    cron = models.CharField(
        "cron text",
        max_length=200,
        blank=True,
        help_text="Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly.",
    )
    interval_seconds = models.PositiveIntegerField(
        "interval", null=True, blank=True, help_text="Instead of a cron text."
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="The clock of the cron text.")
    enabled = models.BooleanField(default=True, help_text="A paused schedule has no slots, and misses none.")
    start_at = models.DateTimeField("start", null=True, blank=True, help_text="No slot before this. In UTC.")
    end_at = models.DateTimeField("end", null=True, blank=True, help_text="No slot after this. In UTC.")

    # What else is wanted.
    missed_policy = models.CharField(
        "missed slots", max_length=10, choices=list(policies.MISSED.items()), default=policies.ONCE
    )
    missed_limit = models.PositiveIntegerField(
        "limit",
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(policies.MOST_COUNTED // 2)],
        help_text="At most so many missed slots are run, the newest ones.",
    )
    grace_seconds = models.PositiveIntegerField(
        "grace",
        default=10,
        validators=[MaxValueValidator(7 * 24 * 3600)],
        help_text="In seconds. A slot that is no later than this was not missed.",
    )
    jitter_seconds = models.PositiveIntegerField(
        "jitter",
        default=0,
        validators=[MaxValueValidator(24 * 3600)],
        help_text="In seconds. Each slot is sent at random up to so much later.",
    )
    overlap = models.CharField(
        "when the last run is not done",
        max_length=10,
        choices=list(policies.OVERLAP.items()),
        default=policies.QUEUE_OVERLAP,
    )

    # Where it was declared, if it was.
    declared_cron = models.CharField(max_length=200, blank=True, editable=False)
    declared_in = models.CharField(max_length=500, blank=True, editable=False, help_text="File and line.")

    # How far it is. The scheduler writes these.
    anchor_at = models.DateTimeField(editable=False, help_text="From when an interval is counted.")
    decided_until = models.DateTimeField(
        editable=False, help_text="All slots up to here were fired, missed or skipped."
    )
    next_at = models.DateTimeField(
        "next run", null=True, editable=False, help_text="When the next slot is to be fired. None: never."
    )
    missed_count = models.PositiveBigIntegerField("missed", default=0, editable=False)
    problem = models.TextField(blank=True, editable=False, help_text="Why its last slot could not be fired.")

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(
                fields=["next_at"],
                name="tasks_schedule_next",
                condition=models.Q(enabled=True, next_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_declared(self) -> bool:
        return bool(self.declared_cron)

    @property
    def is_overridden(self) -> bool:
        """Whether a declared schedule comes at another time than the declared one."""
        return self.is_declared and (self.cron, self.interval_seconds, self.time_zone) != (
            self.declared_cron,
            None,
            "UTC",
        )

    @property
    def timing(self) -> Timing:
        """Its slots.

        Raises:
          ValueError: Cron text or time zone make no sense, or there is neither a cron text nor an interval.
        """
        if bool(self.cron) == bool(self.interval_seconds):
            raise ValueError("It has neither a cron text nor an interval, or both")
        return Timing(
            cron=crons.parse(self.cron) if self.cron else None,
            every=timedelta(seconds=self.interval_seconds) if self.interval_seconds else None,
            anchor=self.anchor_at,
            zone=zones.named(self.time_zone),
            begin=self.start_at,
            end=self.end_at,
            jitter=timedelta(seconds=self.jitter_seconds),
            key=self.name,
        )

    @property
    def policy(self) -> policies.Policy:
        return policies.Policy(
            missed=self.missed_policy, limit=self.missed_limit, grace=timedelta(seconds=self.grace_seconds)
        )

    def plan(self) -> None:
        """Set when it is fired next, from how far it is. A time that makes no sense becomes its problem."""
        try:
            self.next_at = policies.next_firing(self.timing, self.decided_until)
            self.problem = ""
        except ValueError as error:
            self.next_at = None
            self.problem = str(error)


class ScheduleSlot(models.Model):
    """What became of a slot, or of a stretch of slots that were missed. Old rows are pruned."""

    FIRED, MISSED, SKIPPED, BY_HAND = "fired", "missed", "skipped", "by hand"
    OUTCOMES = {
        FIRED: "Sent",
        MISSED: "Missed",
        SKIPPED: "Skipped: the last run was not done",
        BY_HAND: "Sent by hand",
    }

    schedule = models.ForeignKey(
        Schedule,
        on_delete=models.CASCADE,
        related_name="slots",
        db_index=False,  # The constraint has one.
    )
    slot = models.DateTimeField(help_text="The instant; of several missed slots the last one.")
    first_slot = models.DateTimeField(help_text="Of several missed slots the first one.")
    count = models.PositiveIntegerField("slots", default=1)
    outcome = models.CharField(max_length=10, choices=list(OUTCOMES.items()))
    task_id = models.CharField(max_length=255, blank=True)
    is_open = models.BooleanField(default=False, help_text="Its task was not known to be done when last looked at.")
    is_held = models.BooleanField(default=False, help_text="Its task waits until the run before it is done.")
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-slot"]
        constraints = [models.UniqueConstraint(fields=["schedule", "slot"], name="tasks_slot_is_decided_once")]
        indexes = [
            models.Index(fields=["schedule"], name="tasks_slot_open", condition=models.Q(is_open=True)),
            models.Index(fields=["schedule"], name="tasks_slot_held", condition=models.Q(is_held=True)),
            models.Index(fields=["slot"], name="tasks_slot_age"),
        ]

    def __str__(self) -> str:
        return f"{self.slot:%Y-%m-%d %H:%M:%S} {self.outcome}"
