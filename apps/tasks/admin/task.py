"""Tasks in the admin. `task_list` has the list, `task_page` the page of one, `now` the dashboard."""

from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import duration, elements
from apps.tasks.admin.now import NowAdmin
from apps.tasks.admin.task_list import TaskListAdmin
from apps.tasks.admin.task_page import TaskPageAdmin
from apps.tasks.models import TaskStatus


@admin.register(TaskStatus)
class TaskStatusAdmin(NowAdmin, TaskListAdmin, TaskPageAdmin):
    """Tasks in every state."""

    @admin.display(description=_("status"))
    def state(self, task: TaskStatus) -> SafeString:
        return elements.label(task.get_status_display(), kind=elements.STATUS_KINDS[task.status])

    @admin.display(description=_("about"))
    def about(self, task: Any) -> str:
        return task.related_link or elements.NOTHING

    @admin.display(description=_("duration"))
    def ran(self, task: TaskStatus) -> str:
        if task.started_at is None:
            return elements.NOTHING
        return elements.unbroken(duration.in_words((task.finished_at or timezone.now()) - task.started_at))
