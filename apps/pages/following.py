"""The tasks whose progress a page shows."""

from collections.abc import Iterable

from apps.documents.models import Document
from apps.documents.services.document_service import PROCESS_DOCUMENT, DocumentService
from apps.projects.models import Project
from apps.projects.services.report_service import GENERATE_PROJECT_REPORT
from apps.tasks.models import TaskStatus


def running_tasks(documents: Iterable[Document]) -> dict[int, TaskStatus]:
    """The unfinished task of each of the documents that are being processed, by the document's id.

    A document that says "processing" though no task is on its way is mended first.
    """
    processing = {document.pk: document for document in documents if document.status == Document.Status.PROCESSING}
    if not processing:
        return {}
    tasks = TaskStatus.objects.unfinished().filter(
        task_name=PROCESS_DOCUMENT, related_object_type=Document._meta.label, related_object_id__in=list(processing)
    )
    running = {task.related_object_id: task for task in tasks.order_by("pk") if task.related_object_id is not None}
    for pk in processing.keys() - running.keys():
        DocumentService.settle(processing[pk])
    return running


def report_task(project: Project) -> TaskStatus | None:
    """Return the newest task that makes, made or will make the project's report."""
    tasks = TaskStatus.objects.about(project).filter(task_name=GENERATE_PROJECT_REPORT)
    return tasks.order_by("-pk").first()
