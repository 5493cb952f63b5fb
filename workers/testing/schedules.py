"""Declared schedules, as a test fires them."""

import uuid
from typing import Any

import dramatiq
from django.utils import timezone
from dramatiq import Actor

from apps.tasks.models import Schedule, TaskStatus
from apps.tasks.queues import did_you_mean
from apps.tasks.schedules import declared, firing
from workers.testing.drain import run_due
from workers.testing.errors import MisuseError


def run_schedule(schedule: str | Actor[..., Any], /) -> TaskStatus:
    """Send the task of a declared schedule, as a scheduler does at one of its times, and run what is due.

    Parameters:
      schedule: The actor with `periodic`, or its name.

    Returns:
      The row of the schedule's task.

    Raises:
      MisuseError: No actor declares the schedule. Or as `run_due`.
    """
    name = schedule.actor_name if isinstance(schedule, Actor) else schedule
    found = declared.declarations()
    if name not in found:
        names = ", ".join(sorted(found)) or "none is declared"
        raise MisuseError(f"Unknown schedule {name!r}, must be one of: {names}{did_you_mean(name, found)}")
    row = Schedule(name=name, task_name=name, kwargs=found[name].kwargs)
    message = firing.checked(row, slot=timezone.now()).copy(message_id=str(uuid.uuid4()))
    sent: Any = dramatiq.get_broker().enqueue(message)
    run_due()
    return TaskStatus.objects.get(task_id=sent.message_id)
