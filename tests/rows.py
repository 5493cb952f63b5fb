"""Rows for tests that only look at them."""

import uuid
from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Project
from apps.tasks.models import TaskStatus, WorkerProcess


def project(name: str = "Novels", *, owner: str = "jane") -> Project:
    """A project, and its owner if there is no user of that name."""
    return Project.objects.create(name=name, owner=User.objects.get_or_create(username=owner)[0])


def document(title: str = "Emma", **values: Any) -> Document:
    """A document, in a project of its own unless one is given."""
    return Document.objects.create(title=title, **{"project": values.pop("project", None) or project(), **values})


def task(task_name: str = "documents.process_document", **values: Any) -> TaskStatus:
    """A task as it is right after its send, but for the values."""
    about = values.pop("about", None)
    if about is not None:
        values |= {"related_object_type": about._meta.label, "related_object_id": about.pk}
    defaults = {"task_id": str(uuid.uuid4()), "task_name": task_name, "run_at": timezone.now()}
    return TaskStatus.objects.create(**{**defaults, **values})


def worker_process(hostname: str = "web-1", **values: Any) -> WorkerProcess:
    """A worker process that started and gave a heartbeat now, but for the values."""
    defaults = {
        "broker_id": uuid.uuid4().hex, "host": "boot:1", "hostname": hostname, "pid": 4121, "process_started": "1",
        "threads": 8, "started_at": timezone.now(), "beat_at": timezone.now(),
    }  # fmt: skip
    return WorkerProcess.objects.create(**{**defaults, **values})
