"""Groups of tasks."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class TaskGroup(models.Model):
    """Number of tasks of a Dramatiq group that have not completed yet. The row goes with the last of them."""

    key = models.CharField(
        _("key"),
        max_length=255,
        unique=True,
        help_text=_("Dramatiq's id of one run of the group. Written by the sender."),
    )
    remaining = models.PositiveIntegerField(
        _("remaining"),
        help_text=_("Number of tasks that have not completed. Written by the sender and counted down by the workers."),
    )
    created_at = models.DateTimeField(
        _("created at"), auto_now_add=True, help_text=_("Time of the send, in UTC. Written by the sender.")
    )

    class Meta:
        verbose_name = _("task group")
        verbose_name_plural = _("task groups")

    def __str__(self) -> str:
        return gettext("%(count)s left") % {"count": self.remaining}
