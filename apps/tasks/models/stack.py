"""Stacks of running tasks, as staff ask for them."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class TaskStack(models.Model):
    """A request for the stack of a running task, and the answer of its worker. A later request replaces it."""

    task = models.OneToOneField(
        "tasks.TaskStatus",
        verbose_name=_("task"),
        on_delete=models.CASCADE,
        related_name="stack",
        primary_key=True,
        help_text=_("Task of the stack. Written by the request."),
    )
    attempt = models.PositiveIntegerField(
        _("attempt"), help_text=_("Attempt that ran at the time. Written by the request.")
    )
    worker_id = models.UUIDField(_("worker id"), help_text=_("Worker process that answers. Written by the request."))
    requested_at = models.DateTimeField(
        _("requested at"), help_text=_("Time of the request, in UTC. Written by the request.")
    )
    answered_at = models.DateTimeField(
        _("answered at"),
        null=True,
        blank=True,
        help_text=_("Time of the stack, in UTC. Written by the worker. Empty: it has not answered."),
    )
    frames = models.JSONField(
        _("frames"),
        default=list,
        help_text=_("Frames as JSON, the outermost first, without values of variables. Written by the worker."),
    )

    class Meta:
        verbose_name = _("task stack")
        verbose_name_plural = _("task stacks")

    def __str__(self) -> str:
        return str(self.pk)
