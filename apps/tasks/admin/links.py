"""Links to pages of tasks and workers, whose rows may be deleted by now, and which a user may not be let in to."""

from typing import Any

from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.tasks.admin import elements
from apps.tasks.models import Alert, Limit, Schedule, TaskStatus, WorkerProcess


def closed(request: HttpRequest, site: AdminSite) -> tuple[str, ...]:
    """Return how the addresses begin that the user may not open."""
    admins = [site.get_model_admin(model) for model in (WorkerProcess, Schedule, Limit, Alert)]
    return tuple(
        reverse(f"admin:{one.opts.app_label}_{one.opts.model_name}_changelist")
        for one in admins
        if not one.has_view_permission(request)
    )


def unless_closed(url: str, closed: tuple[str, ...]) -> str:
    """Return an address, or an empty text if the user may not open it.

    Parameters:
      closed: Starts of the addresses that the user may not open.
    """
    return "" if url.startswith(closed) else url


def worker(worker_id: Any, *, closed: tuple[str, ...] = ()) -> SafeString | str:
    """Return the start of a worker's id as a link to its page.

    Parameters:
      closed: Starts of the addresses that the user may not open.
    """
    if worker_id is None:
        return elements.NOTHING
    url = unless_closed(reverse("admin:tasks_workerprocess_change", args=[worker_id]), closed)
    if not url:
        return str(worker_id)[:8]
    return format_html('<a href="{}" class="text-link" title="{}">{}</a>', url, worker_id, str(worker_id)[:8])


def task(task_id: str, *, pk: int | None, status: str | None) -> SafeString | str:
    """Return a task's state as a link to its page.

    Parameters:
      pk, status: Columns of its row. None: there is no row.
    """
    if not task_id:
        return elements.NOTHING
    if pk is None or status is None:
        return format_html('<del title="{}">{}</del>', task_id, _("Deleted"))
    text = dict(TaskStatus.STATUS_CHOICES)[status]
    url = reverse("admin:tasks_taskstatus_change", args=[pk])
    return format_html('<a href="{}">{}</a>', url, elements.label(text, kind=elements.STATUS_KINDS[status]))


def page_of(task_id: str) -> str:
    """Return the address of a task's page, or of the list if there is no row."""
    pk = TaskStatus.objects.filter(task_id=task_id).values_list("pk", flat=True).first()
    if pk is None:
        return reverse("admin:tasks_taskstatus_changelist")
    return reverse("admin:tasks_taskstatus_change", args=[pk])
