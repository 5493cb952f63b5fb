"""Rows of tasks, workers and schedules. `apps.tasks.ledger` alone writes those of tasks."""

from apps.tasks.models.schedule import Schedule, ScheduleQuerySet, ScheduleSlot
from apps.tasks.models.task import TaskAttempt, TaskGroup, TaskStatus, TaskStatusQuerySet
from apps.tasks.models.worker import WorkerProcess

__all__ = [
    "Schedule",
    "ScheduleQuerySet",
    "ScheduleSlot",
    "TaskAttempt",
    "TaskGroup",
    "TaskStatus",
    "TaskStatusQuerySet",
    "WorkerProcess",
]
