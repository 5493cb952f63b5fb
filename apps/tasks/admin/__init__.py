"""Pages of tasks, schedules and workers in the admin. They write no row themselves: the ledger and the schedules do."""

from django.apps import apps
from django.contrib import admin

from apps.tasks.admin.alert import AlertAdmin, AlertRuleAdmin
from apps.tasks.admin.audit import AuditEntryAdmin
from apps.tasks.admin.group import TaskGroupAdmin
from apps.tasks.admin.limit import LimitAdmin
from apps.tasks.admin.pause import PauseAdmin
from apps.tasks.admin.schedule import ScheduleAdmin
from apps.tasks.admin.task import TaskStatusAdmin
from apps.tasks.admin.worker import WorkerProcessAdmin

__all__ = [
    "AlertAdmin",
    "AlertRuleAdmin",
    "AuditEntryAdmin",
    "LimitAdmin",
    "PauseAdmin",
    "ScheduleAdmin",
    "TaskGroupAdmin",
    "TaskStatusAdmin",
    "WorkerProcessAdmin",
]

if apps.is_installed("django_dramatiq"):
    import django_dramatiq.admin  # noqa: F401 (registers the model below)
    from django_dramatiq.models import Task

    # Its pages put arguments and tracebacks into the HTML as they are, and its table stays empty here.
    admin.site.unregister(Task)
