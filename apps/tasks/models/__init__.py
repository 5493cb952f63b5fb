"""Rows of tasks, workers and schedules. `apps.tasks.ledger` alone writes those of tasks."""

from apps.tasks.models.attempt import TaskAttempt
from apps.tasks.models.group import TaskGroup
from apps.tasks.models.key import TaskKey
from apps.tasks.models.schedule import Schedule, ScheduleQuerySet
from apps.tasks.models.slot import ScheduleSlot
from apps.tasks.models.task import TaskStatus, TaskStatusQuerySet
from apps.tasks.models.worker import WorkerProcess, WorkerProcessQuerySet

__all__ = [
    "Schedule",
    "ScheduleQuerySet",
    "ScheduleSlot",
    "TaskAttempt",
    "TaskGroup",
    "TaskKey",
    "TaskStatus",
    "TaskStatusQuerySet",
    "WorkerProcess",
    "WorkerProcessQuerySet",
]
