"""Children of tasks."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class TaskChild(models.Model):
    """A task that was sent with `parent`, and is cancelled when that task is cancelled."""

    task_id = models.CharField(
        _("task id"), max_length=255, primary_key=True, help_text=_("Id of the child. Written by the sender.")
    )
    parent_id = models.CharField(
        _("parent id"), max_length=255, db_index=True, help_text=_("Id of the parent. Written by the sender.")
    )

    class Meta:
        verbose_name = _("child of a task")
        verbose_name_plural = _("children of tasks")

    def __str__(self) -> str:
        return self.task_id
