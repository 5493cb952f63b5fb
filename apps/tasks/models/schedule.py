"""Schedules and their slots."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.core.models import BaseModel
from apps.tasks.schedules import cron as crons
from apps.tasks.schedules import policy as policies
from apps.tasks.schedules import zones
from apps.tasks.schedules.timing import Timing


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
