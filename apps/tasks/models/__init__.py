"""Rows of tasks, workers and schedules. `apps.tasks.ledger` alone writes those of tasks."""

from apps.tasks.models.alert import Alert, AlertRule
from apps.tasks.models.attempt import TaskAttempt
from apps.tasks.models.audit import AuditEntry, AuditPage
from apps.tasks.models.child import TaskChild
from apps.tasks.models.deploy import Deploy
from apps.tasks.models.group import TaskGroup, TaskGroupMember
from apps.tasks.models.key import TaskKey
from apps.tasks.models.limit import Limit, LimitedStart
from apps.tasks.models.log_part import TaskLogPart
from apps.tasks.models.pause import Pause
from apps.tasks.models.saved_view import SavedView
from apps.tasks.models.schedule import Schedule, ScheduleQuerySet
from apps.tasks.models.slot import ScheduleSlot
from apps.tasks.models.stack import TaskStack
from apps.tasks.models.tally import Tally, TallyMark
from apps.tasks.models.task import TaskStatus, TaskStatusQuerySet
from apps.tasks.models.worker import WorkerProcess, WorkerProcessQuerySet

__all__ = [
    "Alert",
    "AlertRule",
    "AuditEntry",
    "AuditPage",
    "Deploy",
    "Limit",
    "LimitedStart",
    "Pause",
    "SavedView",
    "Schedule",
    "ScheduleQuerySet",
    "ScheduleSlot",
    "Tally",
    "TallyMark",
    "TaskAttempt",
    "TaskChild",
    "TaskGroup",
    "TaskGroupMember",
    "TaskKey",
    "TaskLogPart",
    "TaskStack",
    "TaskStatus",
    "TaskStatusQuerySet",
    "WorkerProcess",
    "WorkerProcessQuerySet",
]
