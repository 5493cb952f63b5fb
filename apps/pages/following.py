"""The tasks whose progress a page shows."""

from apps.projects.models import Project
from apps.projects.services.report_service import GENERATE_PROJECT_REPORT
from apps.tasks.models import TaskStatus


def report_task(project: Project) -> TaskStatus | None:
    """Return the newest task that makes, made or will make the project's report."""
    tasks = TaskStatus.objects.about(project).filter(task_name=GENERATE_PROJECT_REPORT)
    return tasks.order_by("-pk").first()
