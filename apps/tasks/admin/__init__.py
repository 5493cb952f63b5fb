"""The ledger's pages in the admin. They write no row themselves: the ledger and the schedules' steering do."""

import django_dramatiq.admin  # noqa: F401 (so that it has registered what is unregistered below)
from django.contrib import admin
from django_dramatiq.models import Task

from apps.tasks.admin.schedule import ScheduleAdmin
from apps.tasks.admin.task import TaskStatusAdmin
from apps.tasks.admin.worker import WorkerProcessAdmin

__all__ = ["ScheduleAdmin", "TaskStatusAdmin", "WorkerProcessAdmin"]

# Its pages put arguments and tracebacks into the HTML as they are, and its table stays empty here.
admin.site.unregister(Task)
