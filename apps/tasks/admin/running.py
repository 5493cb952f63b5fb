"""Running tasks, as the pages of processes show them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy

from apps.tasks import duration, states
from apps.tasks.admin import elements
from apps.tasks.models import TaskStatus

#: Tasks that are read for a page, at most. A process runs as many as it has threads.
MOST = 1_000
#: Tasks that a row of the list names.
NAMED = 2
#: Tasks that the page of a process shows.
SHOWN = 50
MORE = ngettext_lazy("and %(count)s more", "and %(count)s more", "number")


def by_worker(worker_ids: Iterable[Any]) -> dict[Any, list[TaskStatus]]:
    """Return the tasks that run in these processes, those that have run for the longest time first."""
    rows = TaskStatus.objects.filter(
        status=states.PROCESSING, worker_id__in=list(worker_ids), started_at__isnull=False
    ).order_by("started_at")
    columns = ("pk", "task_name", "status", "progress", "progress_text", "started_at", "worker_id")
    found: defaultdict[Any, list[TaskStatus]] = defaultdict(list)
    for task in rows.only(*columns)[:MOST]:
        found[task.worker_id].append(task)
    return dict(found)


def briefly(tasks: Sequence[TaskStatus], *, more_url: str) -> SafeString | str:
    """Return the names of the first tasks as links, and the number of the others."""
    if not tasks:
        return elements.NOTHING
    names = format_html_join(
        "", '<a href="{}" class="text-link task-name">{}</a>', ((_url(task), task.task_name) for task in tasks[:NAMED])
    )
    if len(tasks) <= NAMED:
        return names
    more = elements.counted(MORE, len(tasks) - NAMED)
    return names + format_html('<a href="{}" class="text-link task-note">{}</a>', more_url, more)


def at_length(tasks: Sequence[TaskStatus]) -> SafeString | str:
    """Return the tasks, each with its progress, its step and the time that it has run."""
    if not tasks:
        return gettext("Nothing")
    rows = format_html_join(
        "",
        '<li class="task-running"><a href="{}" class="text-link">{}</a>{}<span class="task-entry-note">{}</span></li>',
        (
            (
                _url(task),
                task.task_name,
                elements.progress_bar(
                    task.progress, status=task.status, name=gettext("Progress of %(task)s") % {"task": task.task_name}
                ),
                ", ".join(filter(None, (_time(task), task.progress_text))),
            )
            for task in tasks[:SHOWN]
        ),
    )
    more = elements.counted(MORE, len(tasks) - SHOWN) if len(tasks) > SHOWN else ""
    return format_html('<ul class="task-runs">{}</ul>{}', rows, more)


def _time(task: TaskStatus) -> str:
    return duration.in_words(timezone.now() - task.started_at) if task.started_at else duration.in_words(timedelta())


def _url(task: TaskStatus) -> str:
    return reverse("admin:tasks_taskstatus_change", args=[task.pk])
