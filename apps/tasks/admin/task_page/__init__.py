"""The page of one task."""

from apps.tasks.admin.task_page.page import TaskPageAdmin

__all__ = ["TaskPageAdmin"]
