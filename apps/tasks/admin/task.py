"""Tasks in the admin. `task_list` has the list, `task_page` the page of one, `now` the dashboard."""

from django.contrib import admin

from apps.tasks.admin.log import LogAdmin
from apps.tasks.admin.now import NowAdmin
from apps.tasks.admin.task_list import TaskListAdmin
from apps.tasks.admin.task_page import TaskPageAdmin
from apps.tasks.models import TaskStatus


@admin.register(TaskStatus)
class TaskStatusAdmin(NowAdmin, TaskListAdmin, LogAdmin, TaskPageAdmin):
    """Tasks in every state."""
