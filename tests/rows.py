"""Make rows for tests that only read them."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Project
from apps.tasks.models import Pause, Tally, TallyMark, TaskStatus, WorkerProcess
from apps.tasks.models.tally import MINUTE


def project(name: str = "Novels", *, owner: str = "jane") -> Project:
    """Make a project, and its owner if there is no user of that name."""
    return Project.objects.create(name=name, owner=User.objects.get_or_create(username=owner)[0])


def document(title: str = "Emma", **values: Any) -> Document:
    """Make a document, in a new project unless one is given."""
    return Document.objects.create(title=title, **{"project": values.pop("project", None) or project(), **values})


def task(task_name: str = "documents.process_document", **values: Any) -> TaskStatus:
    """Make a task as it is right after its send, except for the given values."""
    about = values.pop("about", None)
    if about is not None:
        values |= {"related_object_type": about._meta.label, "related_object_id": about.pk}
    defaults = {"task_id": str(uuid.uuid4()), "task_name": task_name, "run_at": timezone.now()}
    made = TaskStatus.objects.create(**{**defaults, **values})
    ended = values.get("finished_at")
    if ended and ended < made.created_at:
        # No task ends before its send. Figures count from the hour of the oldest one.
        TaskStatus.objects.filter(pk=made.pk).update(created_at=ended)
        made.created_at = ended
    return made


def worker_process(hostname: str = "web-1", **values: Any) -> WorkerProcess:
    """Make a worker process that started and beat now, except for the given values."""
    defaults = {
        "broker_id": uuid.uuid4().hex, "host": "boot:1", "hostname": hostname, "pid": 4121, "process_started": "1",
        "threads": 8, "started_at": timezone.now(), "beat_at": timezone.now(),
    }  # fmt: skip
    return WorkerProcess.objects.create(**{**defaults, **values})


def pause(kind: str, name: str, **values: Any) -> Pause:
    """Make a pause without a check of its name."""
    return Pause.objects.create(kind=kind, name=name, **{"since": timezone.now(), "by": "jane", **values})


def tally(task_name: str, queue_name: str, **values: Any) -> Tally:
    """Make the counts of a minute, which a relay has counted."""
    now = timezone.now().replace(second=0, microsecond=0)
    TallyMark.objects.get_or_create(
        pk=1, defaults={"counted_until": now, "settled_until": now, "summed_until": now - timedelta(hours=1)}
    )
    start = values.pop("start", now - timedelta(minutes=1))
    return Tally.objects.create(span=MINUTE, start=start, task_name=task_name, queue_name=queue_name, **values)
