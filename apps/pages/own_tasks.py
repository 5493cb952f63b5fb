"""The tasks of a writer as lines of a page: the work in words, its object, and the address that starts it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from apps.documents.models import Document
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.tasks import ledger, owner_error, states, visibility
from apps.tasks.models import TaskStatus

#: Tasks on one page, and those of them whose reason to wait is looked for.
PAGE_SIZE, MOST_REASONS = 20, 5
#: Actors in the words of writers, and the address that starts each again.
KINDS = {
    "documents.process_document": ("Processing", "pages:process-document"),
    "documents.process_project": ("Processing of new documents", "pages:process-project"),
    "projects.generate_project_report": ("Report", "pages:report"),
}
#: Name of any other actor.
OTHER = "Work in the background"
#: Pages of objects, by their model.
PAGES = {Document._meta.label: "pages:document", Project._meta.label: "pages:project"}
#: States from which a document is processed again.
AGAIN = (Document.Status.FAILED, Document.Status.DRAFT)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A task of a writer.

    Parameters:
      kind: Its actor, in words.
      title: Name of the object that it is about. Empty: there is none, or it is deleted.
      href: Page of the object. Empty: it has none.
      why: Why it waits. Empty: it does not, or that is not looked for.
      error: Why it failed.
      again: Address that starts the same again. Empty: that is not possible.
    """

    task: TaskStatus
    kind: str
    title: str = ""
    href: str = ""
    why: str = ""
    error: str = ""
    again: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.title}" if self.title else self.kind


def of(user: Any, *, before: int | None = None) -> tuple[list[Line], int | None]:
    """Return a page of a user's own tasks, the newest first, and the key before which the next page begins.

    Parameters:
      before: Key before which the page begins. None: it is the first one.
    """
    # An object that changed hands took its tasks along.
    rows = visibility.of(user, TaskStatus.objects.filter(owner_id=user.pk))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.defer("args", "kwargs", "options", "result", "traceback").order_by("-pk")[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    return _lines(user, shown), shown[-1].pk if len(found) > PAGE_SIZE else None


def _lines(user: Any, tasks: Sequence[TaskStatus]) -> list[Line]:
    objects = _objects(user, tasks)
    waiting = [task.pk for task in tasks if task.status == states.PENDING][:MOST_REASONS]
    told: set[tuple[str, int | None]] = set()
    lines = []
    for task in tasks:
        kind, again = KINDS.get(task.task_name, (OTHER, ""))
        instance, may_edit = objects.get((task.related_object_type, task.related_object_id), (None, False))
        about = (task.task_name, task.related_object_id)
        # Of several tasks that did the same, the newest one counts.
        is_again = bool(again) and may_edit and about not in told and task.status in (states.FAILED, states.CANCELLED)
        if isinstance(instance, Document):
            is_again = is_again and instance.status in AGAIN
        told.add(about)
        lines.append(
            Line(
                task=task,
                kind=kind,
                title="" if instance is None else str(getattr(instance, "title", "") or getattr(instance, "name", "")),
                href="" if instance is None else reverse(PAGES[task.related_object_type], args=[instance.pk]),
                why=ledger.why(task).owner_text if task.pk in waiting else "",
                error=owner_error.of(task)[1] if task.status == states.FAILED else "",
                again=reverse(again, args=[task.related_object_id]) if is_again else "",
            )
        )
    return lines


def _objects(user: Any, tasks: Sequence[TaskStatus]) -> dict[tuple[str, int | None], tuple[Any, bool]]:
    """Return the objects of tasks that the user sees, each with whether the user may change it."""
    found: dict[tuple[str, int | None], tuple[Any, bool]] = {}
    models: tuple[Any, ...] = (Document, Project)
    for model in models:
        label = model._meta.label
        ids = {task.related_object_id for task in tasks if task.related_object_type == label}
        if not ids:
            continue
        rows = model.objects.visible_to(user).in_bulk(ids - {None})
        if model is Document:
            # The status of one whose task was cancelled is not true until it is settled.
            DocumentService.running_tasks(rows.values())
        editable = set(model.objects.editable_by(user).filter(pk__in=rows).order_by().values_list("pk", flat=True))
        found |= {(label, pk): (row, pk in editable) for pk, row in rows.items()}
    return found
