"""Projects, their reports and the mails about them."""

import uuid

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import models

from apps.core.models import BaseModel
from apps.core.owned_file import OwnedFileField


class Project(BaseModel):
    """A body of documents that belongs to one user. Only that user and staff see it."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="projects",
        help_text="User whom the project belongs to. Written when it is made, and by staff.",
    )
    name = models.CharField(max_length=200, help_text="Name of the project. Written by its owner, and by staff.")

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


def report_storage() -> Storage:
    """Return the storage of reports, which the settings call `reports`."""
    return storages["reports"]


def stored_name(report: "Report", filename: str) -> str:
    """Return a new name for a file of a report. Two reports of a project never share one."""
    _, _, kind = filename.rpartition(".")
    return f"reports/{report.project_id}/{uuid.uuid4().hex}.{kind}"


class Report(BaseModel):
    """A report on a project, as files. The newest one is shown; `REPORTS_KEPT` are kept."""

    project = models.ForeignKey(
        Project,
        on_delete=models.CASCADE,
        related_name="reports",
        help_text="Project that the report is about. Written by the report's task.",
    )
    task_id = models.CharField(
        max_length=255,
        blank=True,
        help_text="Id of the task that made the report. Written by that task. Empty: made without a task.",
    )
    html = OwnedFileField(
        storage=report_storage,
        upload_to=stored_name,
        help_text="The report as a web page. Written by the report's task.",
    )
    pdf = OwnedFileField(
        storage=report_storage, upload_to=stored_name, help_text="The report as a PDF. Written by the report's task."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Report {self.pk}"


class Mailing(BaseModel):
    """A mail that a mail server took. A task that runs again finds it here and does not send the mail again."""

    task_id = models.CharField(
        max_length=255, unique=True, help_text="Id of the task that sent the mail. Written by that task."
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="User whom the mail was sent to. Written by the task that sent it.",
    )
    message_id = models.CharField(
        max_length=255, help_text="Message-ID header of the mail. Written by the task that sent it."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.message_id
