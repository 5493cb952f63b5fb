"""Counts of events of tasks, by time."""

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

#: Lengths of the spans that are counted, in minutes. The longest one is a sum over all times.
MINUTE, HOUR, DAY, EVER = 1, 60, 24 * 60, 0


class Tally(models.Model):
    """Counts of one actor on one queue in one span of time. The relay writes them. Workers and senders do not."""

    SPAN_CHOICES = [(MINUTE, _("Minute")), (HOUR, _("Hour")), (DAY, _("Day")), (EVER, _("Ever"))]

    span = models.PositiveSmallIntegerField(
        _("span"),
        choices=SPAN_CHOICES,
        help_text=_(
            "Length of the span in minutes: 1, 60 or 1440. 0: all times, up to the last whole hour. "
            "Written by the relay."
        ),
    )
    start = models.DateTimeField(_("start"), help_text=_("Start of the span, in UTC. Written by the relay."))
    task_name = models.CharField(
        _("task name"), max_length=255, help_text=_("Name of the actor. Written by the relay.")
    )
    queue_name = models.CharField(
        _("queue name"), max_length=100, help_text=_("Queue of the tasks. Written by the relay.")
    )
    sent = models.BigIntegerField(_("sent"), default=0, help_text=_("Tasks that were sent. Written by the relay."))
    started = models.BigIntegerField(
        _("started"),
        default=0,
        help_text=_(
            "Runs that began, automatic retries too. Runs that a worker released or snoozed are not counted. "
            "Written by the relay."
        ),
    )
    completed = models.BigIntegerField(
        _("completed"), default=0, help_text=_("Tasks that completed. Written by the relay.")
    )
    failed = models.BigIntegerField(
        _("failed"), default=0, help_text=_("Tasks that failed for good. Written by the relay.")
    )
    retried = models.BigIntegerField(_("retried"), default=0, help_text=_("Automatic retries. Written by the relay."))
    cancelled = models.BigIntegerField(
        _("cancelled"), default=0, help_text=_("Tasks that were cancelled. Written by the relay.")
    )
    rescued = models.BigIntegerField(
        _("rescued"),
        default=0,
        help_text=_("Runs that ended with the death of their worker process. Written by the relay."),
    )
    wait_ms = models.BigIntegerField(
        _("wait"),
        default=0,
        help_text=_(
            "Milliseconds that the tasks that ended in the span waited for their last start, together. "
            "Written by the relay."
        ),
    )
    run_ms = models.BigIntegerField(
        _("run"),
        default=0,
        help_text=_(
            "Milliseconds of the last runs of the tasks that ended in the span, together. Written by the relay."
        ),
    )
    waits = models.JSONField(
        _("waits"),
        default=list,
        help_text=_("Number of these waits in each bucket of apps.tasks.figures.buckets. Written by the relay."),
    )
    runs = models.JSONField(
        _("runs"), default=list, help_text=_("Number of these runs in each bucket. Written by the relay.")
    )

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")
        constraints = [
            models.UniqueConstraint(fields=["span", "start", "task_name", "queue_name"], name="tasks_tally_counts_once")
        ]

    def __str__(self) -> str:
        return f"{self.task_name} on {self.queue_name}, {timedelta(minutes=self.span)} from {self.start}"


class TallyMark(models.Model):
    """The times up to which rows are counted. There is one row. A relay locks it while it writes counts."""

    counted_until = models.DateTimeField(
        _("counted until"), help_text=_("End of the minutes that are counted, in UTC. Written by the relay.")
    )
    settled_until = models.DateTimeField(
        _("settled until"),
        help_text=_("End of the minutes that are counted for the last time, in UTC. Written by the relay."),
    )
    summed_until = models.DateTimeField(
        _("summed until"), help_text=_("End of the hours that are summed, in UTC. Written by the relay.")
    )
    counted_from_id = models.BigIntegerField(
        _("counted from id"),
        default=0,
        help_text=_("Id of the first task that may have been sent after the counted minutes. Written by the relay."),
    )
    settled_from_id = models.BigIntegerField(
        _("settled from id"),
        default=0,
        help_text=_("Id of the first task that may have been sent after the settled minutes. Written by the relay."),
    )

    class Meta:
        verbose_name = _("tally mark")
        verbose_name_plural = _("tally marks")

    def __str__(self) -> str:
        return f"counted until {self.counted_until}"
