"""The list of tasks: its tabs, its search, its rows and the views that people saved."""

from apps.tasks.admin.task_list.page import TaskListAdmin

__all__ = ["TaskListAdmin"]
