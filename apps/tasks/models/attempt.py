"""Attempts that did not complete."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class TaskAttempt(models.Model):
    """An attempt that did not complete. One that did leaves no row here, so success costs nothing."""

    task = models.ForeignKey(
        "tasks.TaskStatus",
        verbose_name=_("task"),
        on_delete=models.CASCADE,
        related_name="attempts",
        help_text=_("Task of the attempt. Written by the worker or, if it died, by the relay."),
    )
    attempt = models.PositiveIntegerField(
        _("attempt"), help_text=_("Number of the attempt, from 0. Written by the worker or the relay.")
    )
    outcome = models.CharField(
        _("outcome"),
        max_length=20,
        help_text=_("Transition that ended it, such as retry or rescue. Written by the worker or the relay."),
    )
    error_message = models.TextField(
        _("error message"), blank=True, help_text=_("Reason of the failure. Written by the worker or the relay.")
    )
    error_type = models.CharField(
        _("error type"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Dotted name of the failure's class. Written with the error message. Empty: no exception was raised."
        ),
    )
    cause = models.CharField(
        _("cause"),
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text=_("Hash that failures with the same cause share, as in the task. Written with the error message."),
    )
    traceback = models.TextField(
        _("traceback"), blank=True, help_text=_("Python traceback of the failure. Written by the worker.")
    )
    worker_id = models.UUIDField(
        _("worker id"),
        null=True,
        blank=True,
        help_text=_("Worker process that held the attempt. Written by the worker or the relay."),
    )
    started_at = models.DateTimeField(
        _("started at"),
        null=True,
        blank=True,
        help_text=_("Start of the attempt, in UTC. Written by the worker or the relay. Empty: it had not started."),
    )
    ended_at = models.DateTimeField(
        _("ended at"), help_text=_("End of the attempt, in UTC. Written by the worker or the relay.")
    )

    class Meta:
        ordering = ["task_id", "attempt", "id"]
        verbose_name = _("task attempt")
        verbose_name_plural = _("task attempts")
        indexes = [models.Index(fields=["ended_at"], name="tasks_attempt_ended")]
        constraints = [models.UniqueConstraint(fields=["task", "attempt"], name="tasks_attempt_ends_once")]

    def __str__(self) -> str:
        return gettext("attempt %(number)s: %(outcome)s") % {"number": self.attempt, "outcome": self.outcome}
