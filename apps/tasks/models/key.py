"""Keys of unique tasks."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class TaskKey(models.Model):
    """Key of a unique send, and the last task that was sent with it.

    Senders of one key lock its row until they commit. Whether the task still stands for further sends is read from the
    task's own row, so no move of a task writes here.
    """

    key = models.CharField(
        _("key"),
        max_length=255,
        primary_key=True,
        help_text=_(
            "Name of the actor and key of the send, as JSON, or their hash if they are long. Written by the sender."
        ),
    )
    task_id = models.CharField(
        _("task id"), max_length=255, help_text=_("Last task that was sent with the key. Written by the sender.")
    )
    until = models.DateTimeField(
        _("until"),
        null=True,
        blank=True,
        help_text=_("Time until which the key is kept though its task has ended, in UTC. Written by the sender."),
    )

    class Meta:
        verbose_name = _("task key")
        verbose_name_plural = _("task keys")

    def __str__(self) -> str:
        return self.key
