"""Rules of alerts, and the alerts."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.core.models import BaseModel
from apps.tasks.clock import ClockTimestamp, SecondsSince

#: Longest time of a rule, in seconds: a week.
MOST_SECONDS = 7 * 24 * 3600

#: Conditions that a rule can be about.
NO_WORKER, NO_SCHEDULER, SERVER_AWAY, QUEUE_UNTAKEN = "no_worker", "no_scheduler", "server_away", "queue_untaken"
STALLED, OLDEST_DUE, QUEUE_FULL, LIMIT_FULL = "stalled", "oldest_due", "queue_full", "limit_full"
FAILURES, POISON, SLOW_TASK = "failures", "poison", "slow_task"
SCHEDULE_BROKEN, SCHEDULE_LATE, MISSED_SLOT = "schedule_broken", "schedule_late", "missed_slot"
DISK_FULL, MEMORY_FULL = "disk_full", "memory_full"

KINDS = {
    SERVER_AWAY: _("A server does not answer"),
    NO_WORKER: _("No worker lives"),
    NO_SCHEDULER: _("No scheduler lives"),
    QUEUE_UNTAKEN: _("No worker takes a queue"),
    STALLED: _("A worker takes nothing"),
    OLDEST_DUE: _("Tasks wait for long"),
    QUEUE_FULL: _("A queue is nearly full"),
    LIMIT_FULL: _("A limit is full for long"),
    FAILURES: _("Many runs fail"),
    POISON: _("A task kills its workers"),
    SLOW_TASK: _("A task runs for longer than usual"),
    SCHEDULE_BROKEN: _("A schedule is broken"),
    SCHEDULE_LATE: _("A schedule is late"),
    MISSED_SLOT: _("A schedule missed slots"),
    DISK_FULL: _("A disk is nearly full"),
    MEMORY_FULL: _("The memory of a server is nearly full"),
}

SECONDS, PERCENT, TASKS, TIMES, SLOTS = "s", "%", "tasks", "times", "slots"
UNITS = {
    SECONDS: _("seconds"),
    PERCENT: _("percent"),
    TASKS: _("tasks"),
    TIMES: _("times its usual time"),
    SLOTS: _("slots"),
}

#: Units of thresholds and values. Kinds without one hold or do not.
UNIT_OF = {
    OLDEST_DUE: SECONDS,
    LIMIT_FULL: SECONDS,
    SCHEDULE_LATE: SECONDS,
    QUEUE_FULL: PERCENT,
    FAILURES: PERCENT,
    DISK_FULL: PERCENT,
    MEMORY_FULL: PERCENT,
    POISON: TASKS,
    SLOW_TASK: TIMES,
    MISSED_SLOT: SLOTS,
}

#: Kinds that are about queues, actors or schedules, each for itself.
BY_QUEUE = (QUEUE_UNTAKEN, OLDEST_DUE, QUEUE_FULL)
BY_ACTOR = (FAILURES, POISON, SLOW_TASK, LIMIT_FULL)
BY_SCHEDULE = (SCHEDULE_BROKEN, SCHEDULE_LATE, MISSED_SLOT)
#: Kinds that look back for a stretch of time.
WITH_WINDOW = (FAILURES, POISON, MISSED_SLOT)


class AlertRule(BaseModel):
    """A condition that makes an alert when it lasts. Rules are declared in the code, or made in the admin."""

    name = models.CharField(
        _("name"), max_length=200, unique=True, help_text=_("Name in alerts and mails. Written by staff or the code.")
    )
    kind = models.CharField(
        _("condition"),
        max_length=20,
        choices=list(KINDS.items()),
        help_text=_("Condition that starts an alert. Written by staff or the code."),
    )
    scope = models.CharField(
        _("only for"),
        max_length=255,
        blank=True,
        help_text=_(
            "Queue, actor or schedule that the rule is about. Empty: all of them that have no rule of their own. "
            "Written by staff."
        ),
    )
    threshold = models.FloatField(
        _("threshold"),
        null=True,
        blank=True,
        help_text=_(
            "Least value that counts: seconds, percent, tasks, slots, or a multiple of the usual time. "
            "Written by staff or the code."
        ),
    )
    window_minutes = models.PositiveIntegerField(
        _("window"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_SECONDS // 60)],
        help_text=_(
            "Minutes that are looked back for failures, poison and missed slots. Written by staff or the code."
        ),
    )
    least_runs = models.PositiveIntegerField(
        _("least runs"),
        null=True,
        blank=True,
        help_text=_(
            "Number of runs below which a percentage or a usual time says nothing. Written by staff or the code."
        ),
    )
    hold_seconds = models.PositiveIntegerField(
        _("starts after"),
        default=60,
        validators=[MaxValueValidator(MOST_SECONDS)],
        help_text=_("Seconds for which the condition must hold before the alert starts. Written by staff or the code."),
    )
    clear_seconds = models.PositiveIntegerField(
        _("ends after"),
        default=60,
        validators=[MaxValueValidator(MOST_SECONDS)],
        help_text=_("Seconds for which all must be well before the alert ends. Written by staff or the code."),
    )
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Whether the rule is looked at. Written by staff.")
    )
    mail_to = models.TextField(
        _("mail to"),
        blank=True,
        help_text=_(
            "Addresses, separated by commas or lines. Empty: those of the setting TASK_ALERT_EMAILS. Written by staff."
        ),
    )
    webhook = models.CharField(
        _("webhook"),
        max_length=500,
        blank=True,
        help_text=_(
            "Address that alerts are posted to, such as https://hooks.example.com/tasks. "
            "Empty: that of the setting TASK_ALERT_WEBHOOK. Written by staff."
        ),
    )
    is_declared = models.BooleanField(
        _("declared"), default=False, editable=False, help_text=_("Whether the code has the rule. Written by a relay.")
    )
    is_changed = models.BooleanField(
        _("changed"),
        default=False,
        editable=False,
        help_text=_("Whether staff have changed a declared rule, which then stays as it is. Written by staff."),
    )

    class Meta:
        ordering = ["name"]
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")

    def __str__(self) -> str:
        return self.name

    @property
    def unit(self) -> str:
        """Return the unit of the threshold. Empty: the kind has none."""
        return UNIT_OF.get(self.kind, "")


class AlertQuerySet(models.QuerySet["Alert"]):
    """Query words for alerts."""

    def open(self) -> "AlertQuerySet":
        """Return the alerts that have not ended, those too that have not started."""
        return self.filter(ended_at=None)

    def firing(self) -> "AlertQuerySet":
        return self.filter(ended_at=None, started_at__isnull=False)

    def started(self) -> "AlertQuerySet":
        """Return the alerts without conditions that are only noticed yet."""
        return self.filter(started_at__isnull=False)

    def silenced(self) -> "AlertQuerySet":
        return self.filter(silenced_until__gt=ClockTimestamp())

    def with_silence(self) -> Any:
        """Add `is_silent`: whether the alert is silenced now."""
        is_silent = models.Q(silenced_until__isnull=False, silenced_until__gt=ClockTimestamp())
        return self.annotate(is_silent=models.ExpressionWrapper(is_silent, output_field=models.BooleanField()))

    def with_ages(self) -> Any:
        """Add the seconds since the condition was noticed, since all is well, and since the last look."""
        return self.annotate(
            noticed_seconds=SecondsSince("noticed_at"),
            cleared_seconds=SecondsSince("cleared_at"),
            checked_seconds=SecondsSince("checked_at"),
        )


class Alert(BaseModel):
    """A condition that a relay noticed. It starts once it has held for a time, and ends once all is well for a time."""

    rule = models.ForeignKey(
        AlertRule,
        verbose_name=_("rule"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="alerts",
        help_text=_("Rule of the alert. Written by the relay. Empty: it was deleted."),
    )
    kind = models.CharField(
        _("condition"), max_length=20, choices=list(KINDS.items()), help_text=_("Condition. Written by the relay.")
    )
    scope = models.CharField(
        _("scope"),
        max_length=255,
        blank=True,
        help_text=_("Queue, actor, schedule, worker or server that it is about. Written by the relay."),
    )
    sentence = models.TextField(_("sentence"), help_text=_("The condition in words. Written by the relay."))
    remedy = models.TextField(_("remedy"), blank=True, help_text=_("The way to end it. Written by the relay."))
    value = models.FloatField(
        _("value at the start"), default=0, help_text=_("Value when it was noticed. Written by the relay.")
    )
    worst = models.FloatField(_("worst value"), default=0, help_text=_("Largest value so far. Written by the relay."))
    noticed_at = models.DateTimeField(
        _("noticed at"), help_text=_("Time since which the condition holds, in UTC. Written by the relay.")
    )
    checked_at = models.DateTimeField(
        _("checked at"), help_text=_("Time of the last look, in UTC. Written by the relay.")
    )
    started_at = models.DateTimeField(
        _("started at"),
        null=True,
        blank=True,
        help_text=_("Start of the alert, in UTC. Written by the relay. Empty: the condition has not held for long."),
    )
    cleared_at = models.DateTimeField(
        _("cleared at"),
        null=True,
        blank=True,
        help_text=_("Time since which all is well, in UTC. Written by the relay."),
    )
    ended_at = models.DateTimeField(
        _("ended at"), null=True, blank=True, help_text=_("End of the alert, in UTC. Written by the relay.")
    )
    mailed_at = models.DateTimeField(
        _("mailed at"),
        null=True,
        blank=True,
        help_text=_("Time at which its start was mailed, in UTC. Written by the task that mails it."),
    )
    posted_at = models.DateTimeField(
        _("posted at"),
        null=True,
        blank=True,
        help_text=_("Time at which its start was posted to the webhook, in UTC. Written by the task that posts it."),
    )
    silenced_at = models.DateTimeField(
        _("silenced at"), null=True, blank=True, help_text=_("Time of the silence, in UTC. Written by staff.")
    )
    silenced_until = models.DateTimeField(
        _("silenced until"),
        null=True,
        blank=True,
        help_text=_("Time until which nothing is mailed or posted, in UTC. Written by staff."),
    )
    silenced_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("silenced by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text=_("User who silenced it. Written by the page."),
    )
    silence_reason = models.CharField(
        _("reason of the silence"), max_length=255, blank=True, help_text=_("Reason of the silence. Written by staff.")
    )

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-noticed_at", "-id"]
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "scope"], condition=models.Q(ended_at=None), name="tasks_alert_is_open_once"
            )
        ]
        indexes = [
            models.Index(fields=["id"], name="tasks_alert_open", condition=models.Q(ended_at=None)),
            models.Index(fields=["ended_at"], name="tasks_alert_ended"),
            models.Index(fields=["-started_at"], name="tasks_alert_started"),
        ]

    def __str__(self) -> str:
        return self.sentence[:120]

    @property
    def unit(self) -> str:
        return UNIT_OF.get(self.kind, "")

    @property
    def is_firing(self) -> bool:
        return self.started_at is not None and self.ended_at is None
