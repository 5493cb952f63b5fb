"""A project: what a writing team works on."""

import uuid

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import models

from apps.core.models import BaseModel
from apps.core.owned_file import OwnedFileField


class Project(BaseModel):
    """A body of documents that belongs to one user; nobody else but staff sees it."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="projects")
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


def report_storage() -> Storage:
    """Where reports are kept: the storage that settings call `reports`."""
    return storages["reports"]


def stored_name(report: "Report", filename: str) -> str:
    """A name that no other file has: two reports of a project never write over each other."""
    _, _, kind = filename.rpartition(".")
    return f"reports/{report.project_id}/{uuid.uuid4().hex}.{kind}"


class Report(BaseModel):
    """A report on a project, as files. The newest one counts; `REPORTS_KEPT` are kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="reports")
    task_id = models.CharField(max_length=255, blank=True, help_text="The task that made it.")
    html = OwnedFileField(storage=report_storage, upload_to=stored_name)
    pdf = OwnedFileField(storage=report_storage, upload_to=stored_name)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Report {self.pk}"


class Mailing(BaseModel):
    """A mail that a mail server took. It is there so that a task that runs again does not send it again."""

    task_id = models.CharField(max_length=255, unique=True, help_text="The task that sent it.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    message_id = models.CharField(max_length=255, help_text="The mail's Message-ID.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.message_id
