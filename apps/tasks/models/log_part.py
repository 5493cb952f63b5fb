"""Log lines of tasks."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class TaskLogPart(models.Model):
    """Log lines of one attempt that a worker wrote at once. An attempt that logs nothing has none.

    The database has no constraint for the task: a line must not keep an outcome from being written.
    """

    task = models.ForeignKey(
        "tasks.TaskStatus",
        verbose_name=_("task"),
        on_delete=models.CASCADE,
        related_name="log_parts",
        db_constraint=False,
        db_index=False,  # The constraint below has one.
        help_text=_("Task that ran while the lines were logged. Written by the worker."),
    )
    attempt = models.PositiveIntegerField(_("attempt"), help_text=_("Number of the attempt. Written by the worker."))
    first = models.PositiveIntegerField(
        _("first"), help_text=_("Number of the first line within the attempt, from 0. Written by the worker.")
    )
    count = models.PositiveIntegerField(_("count"), help_text=_("Number of lines. Written by the worker."))
    lines = models.TextField(
        _("lines"),
        help_text=_("JSON list of lines, each with its time, level, logger and text. Written by the worker."),
    )

    class Meta:
        verbose_name = _("part of a task log")
        verbose_name_plural = _("parts of task logs")
        constraints = [models.UniqueConstraint(fields=["task", "attempt", "first"], name="tasks_log_part_once")]

    def __str__(self) -> str:
        return str(self.pk)
