"""Schedules."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.core.models import BaseModel
from apps.tasks.models.slot import ScheduleSlot
from apps.tasks.schedules import cron as crons
from apps.tasks.schedules import policy as policies
from apps.tasks.schedules import zones
from apps.tasks.schedules.timing import Timing


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Query words for schedules."""

    def alive(self, *, actors: Iterable[str], declared: Iterable[str]) -> "ScheduleQuerySet":
        """Return the enabled schedules whose actor, or whose declaration, is in this process's code.

        Parameters:
          actors: Names of the known actors.
          declared: Names of the declared schedules.
        """
        made_here = models.Q(declared_cron="", task_name__in=list(actors))
        return self.filter(made_here | ~models.Q(declared_cron="") & models.Q(name__in=list(declared)), enabled=True)

    def due(self, now: datetime) -> "ScheduleQuerySet":
        """Return the schedules with a slot to fire."""
        return self.filter(next_at__lte=now)

    def with_last_run(self) -> Any:
        """Annotate `last_slot` and `last_task_id`: the last slot that was sent, by time or by hand, or None."""
        sent = ScheduleSlot.objects.filter(
            schedule=models.OuterRef("pk"), outcome__in=[ScheduleSlot.FIRED, ScheduleSlot.BY_HAND]
        ).order_by("-slot")
        return self.annotate(
            last_slot=models.Subquery(sent.values("slot")[:1]),
            last_task_id=models.Subquery(sent.values("task_id")[:1]),
        )


class Schedule(BaseModel):
    """Times at which the scheduler sends an actor. Declared in the code, or made in the admin."""

    name = models.CharField(
        _("name"),
        max_length=200,
        unique=True,
        help_text=_(
            "Name in the admin and in the terminal. Written by staff. A declared schedule has its actor's name."
        ),
    )
    task_name = models.CharField(
        _("actor"),
        max_length=255,
        help_text=_("Actor that is sent at each slot. Written by staff or by the declaration."),
    )
    kwargs = models.JSONField(
        _("arguments"),
        default=dict,
        blank=True,
        help_text=_(
            'Arguments of the actor, as a JSON object such as {"report_type": "summary"}. Written by staff or by the '
            "declaration."
        ),
    )

    # When it comes.
    cron = models.CharField(
        _("cron text"),
        max_length=200,
        blank=True,
        help_text=_(
            "Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly. "
            "Written by staff or by the declaration."
        ),
    )
    interval_seconds = models.PositiveIntegerField(
        _("interval"),
        null=True,
        blank=True,
        help_text=_("Seconds between two slots, instead of a cron text. Written by staff."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        help_text=_("Clock that the cron text is read by. Written by staff."),
    )
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("A paused schedule has no slots and misses none. Written by staff.")
    )
    start_at = models.DateTimeField(
        _("start"), null=True, blank=True, help_text=_("No slot comes before this time, in UTC. Written by staff.")
    )
    end_at = models.DateTimeField(
        _("end"), null=True, blank=True, help_text=_("No slot comes after this time, in UTC. Written by staff.")
    )

    # Policies.
    missed_policy = models.CharField(
        _("missed slots"),
        max_length=10,
        choices=list(policies.MISSED.items()),
        default=policies.ONCE,
        help_text=_("Treatment of slots that no scheduler fired in time. Written by staff."),
    )
    missed_limit = models.PositiveIntegerField(
        _("limit"),
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(policies.MOST_COUNTED // 2)],
        help_text=_("Number of missed slots that are run at most, the newest ones. Written by staff."),
    )
    grace_seconds = models.PositiveIntegerField(
        _("grace"),
        default=10,
        validators=[MaxValueValidator(7 * 24 * 3600)],
        help_text=_("Seconds that a slot may be late before it counts as missed. Written by staff."),
    )
    jitter_seconds = models.PositiveIntegerField(
        _("jitter"),
        default=0,
        validators=[MaxValueValidator(24 * 3600)],
        help_text=_("Largest random delay of a slot, in seconds. Written by staff."),
    )
    overlap = models.CharField(
        _("when the last run is not done"),
        max_length=10,
        choices=list(policies.OVERLAP.items()),
        default=policies.QUEUE_OVERLAP,
        help_text=_("Treatment of a slot that comes while the task of the last one is unfinished. Written by staff."),
    )

    # Where it was declared, if it was.
    declared_cron = models.CharField(
        _("declared cron text"),
        max_length=200,
        blank=True,
        editable=False,
        help_text=_("Cron text in the code. Written by the scheduler. Empty: made in the admin."),
    )
    declared_in = models.CharField(
        _("declared in"),
        max_length=500,
        blank=True,
        editable=False,
        help_text=_("File and line of the declaration. Written by the scheduler."),
    )

    # How far it is.
    anchor_at = models.DateTimeField(
        _("anchor"),
        editable=False,
        help_text=_(
            "Time from which an interval is counted, in UTC. Written when staff set the interval or the start."
        ),
    )
    decided_until = models.DateTimeField(
        _("decided until"),
        editable=False,
        help_text=_(
            "Watermark, in UTC: all slots up to here were fired, missed or skipped. Written by the scheduler, and by a "
            "change of staff."
        ),
    )
    next_at = models.DateTimeField(
        _("next run"),
        null=True,
        editable=False,
        help_text=_(
            "Time at which the next slot is to be fired, in UTC. Written by the scheduler, and by a change of staff. "
            "Empty: never."
        ),
    )
    missed_count = models.PositiveBigIntegerField(
        _("missed"), default=0, editable=False, help_text=_("Number of missed slots so far. Written by the scheduler.")
    )
    problem = models.TextField(
        _("problem"),
        blank=True,
        editable=False,
        help_text=_("Reason why the last slot could not be fired. Written by the scheduler."),
    )

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
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
        """Return the rule for its slots.

        Raises:
          ValueError: Cron text or time zone make no sense, or there is neither a cron text nor an interval.
        """
        if bool(self.cron) == bool(self.interval_seconds):
            raise ValueError(gettext("It has neither a cron text nor an interval, or both"))
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
        """Set the time of the next firing from the watermark. A time that makes no sense becomes the problem."""
        try:
            self.next_at = policies.next_firing(self.timing, self.decided_until)
            self.problem = ""
        except ValueError as error:
            self.next_at = None
            self.problem = str(error)
