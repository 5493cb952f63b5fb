"""The tasks whose progress a page shows."""

from apps.projects.models import Project
from apps.projects.services.report_service import GENERATE_PROJECT_REPORT
from apps.tasks.models import TaskStatus


def report_task(project: Project) -> TaskStatus | None:
    """The newest task that makes the project's report, did or will."""
    tasks = TaskStatus.objects.about(project).filter(task_name=GENERATE_PROJECT_REPORT)
    return tasks.order_by("-pk").first()
