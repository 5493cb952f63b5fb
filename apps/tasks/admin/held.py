"""Tasks that are held: they wait for the previous run of their schedule."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.tasks import states
from apps.tasks.models import ScheduleSlot

#: Note on a held task, whose `run_at` only keeps it waiting until a scheduler starts it.
HELD = _("Waits for the previous run of its schedule")


def mark_held(tasks: Sequence[Any]) -> None:
    """Set `is_held` on each task: whether it waits for the previous run of its schedule."""
    later = [task.task_id for task in tasks if task.status == states.PENDING and task.run_at > timezone.now()]
    held = ScheduleSlot.objects.filter(is_held=True, task_id__in=later).values_list("task_id", flat=True)
    found = set(held) if later else set()
    for task in tasks:
        task.is_held = task.task_id in found
