"""Pauses of queues and actors."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Pause(models.Model):
    """A queue or an actor whose tasks wait until staff resume it. The row is deleted then."""

    KIND_QUEUE = "queue"
    KIND_ACTOR = "actor"

    KIND_CHOICES = [(KIND_QUEUE, _("Queue")), (KIND_ACTOR, _("Actor"))]

    kind = models.CharField(
        _("kind"),
        max_length=20,
        choices=KIND_CHOICES,
        help_text=_("Queue or actor. Written by staff who pause it."),
    )
    name = models.CharField(
        _("name"), max_length=255, help_text=_("Name of the queue or actor. Written by staff who pause it.")
    )
    since = models.DateTimeField(
        _("since"), help_text=_("Time from which its tasks wait, in UTC. Written by the database when it is paused.")
    )
    by = models.CharField(
        _("by"),
        max_length=255,
        blank=True,
        help_text=_("User who paused it, or the system user of the terminal. Written by staff who pause it."),
    )
    why = models.CharField(
        _("why"), max_length=500, blank=True, help_text=_("Reason, for others. Written by staff who pause it.")
    )

    class Meta:
        ordering = ["kind", "name"]
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        constraints = [
            models.UniqueConstraint(fields=["kind", "name"], name="tasks_pause_once"),
            models.CheckConstraint(condition=models.Q(kind__in=["queue", "actor"]), name="tasks_pause_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
