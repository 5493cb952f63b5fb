"""Tasks that belong to a task: its parent and its children."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from apps.tasks.admin import elements, links
from apps.tasks.models import TaskChild, TaskStatus

#: Children that are shown.
MOST = 20
MORE = ngettext_lazy("and %(count)s more", "and %(count)s more", "number")
#: Children that are counted, at most.
MOST_COUNTED = 1_000
COLUMNS = ("pk", "task_id", "task_name", "status", "progress", "progress_text")


@dataclass(frozen=True, kw_only=True)
class Relative:
    """A parent or a child.

    Parameters:
      href: Its page. Empty: its row is deleted.
    """

    name: str
    href: str = ""
    label: Any = ""
    bar: Any = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Parameters:
    more: Number of children that are not shown, in words. Empty: there are none.
    """

    parent: Relative | None = None
    children: tuple[Relative, ...] = ()
    more: str = ""


def of(task: TaskStatus) -> Family:
    """Return the parent and the newest children of a task, with three queries."""
    parent_id = TaskChild.objects.filter(pk=task.task_id).values_list("parent_id", flat=True).first()
    parent = None
    if parent_id is not None:
        row = TaskStatus.objects.filter(task_id=parent_id).only(*COLUMNS).first()
        parent = Relative(name=parent_id, note=_("Deleted")) if row is None else _relative(row)
    children = TaskChild.objects.filter(parent_id=task.task_id)
    rows = TaskStatus.objects.filter(task_id__in=children.values("task_id")).only(*COLUMNS).order_by("-pk")
    found = list(rows[: MOST + 1])
    more = ""
    if len(found) > MOST:
        number = children[:MOST_COUNTED].count() - MOST
        more = elements.counted(MORE, number)
    return Family(parent=parent, children=tuple(_relative(row) for row in found[:MOST]), more=more)


def _relative(row: TaskStatus) -> Relative:
    name = _("Progress of %(task)s") % {"task": row.task_name}
    return Relative(
        name=row.task_name,
        href=reverse("admin:tasks_taskstatus_change", args=[row.pk]),
        label=links.task(row.task_id, pk=row.pk, status=row.status),
        bar=elements.progress_bar(row.progress, status=row.status, name=name),
        note=row.progress_text,
    )
