"""The list of tasks. `task_page` has the page of one."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import failures, states
from apps.tasks.admin import duration, elements, theme
from apps.tasks.admin.action_pages import ERROR_START_LENGTH
from apps.tasks.admin.filters import (
    CauseFilter,
    CreatedFilter,
    EndedFilter,
    GroupFilter,
    QueueFilter,
    TaskNameFilter,
    WaitsFilter,
)
from apps.tasks.admin.held import HELD, mark_held
from apps.tasks.admin.now import NowAdmin
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.admin.related import name_related
from apps.tasks.admin.task_page import TaskPageAdmin
from apps.tasks.models import TaskStatus


class TaskChangeList(theme.ChangeList):  # type: ignore[misc]
    """The list, without the columns that may be large."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[TaskStatus]:
        tasks: QuerySet[TaskStatus] = super().get_queryset(request, exclude_parameters)
        return tasks.defer("args", "kwargs", "options", "result", "error_message", "traceback").annotate(
            error_start=Left("error_message", ERROR_START_LENGTH)
        )

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Unfold shows "(Show all)" beside the heading if they differ.
        self.full_result_count = self.result_count
        name_related(self.result_list, request=request, site=self.model_admin.admin_site)
        mark_held(self.result_list)


@admin.register(TaskStatus)
class TaskStatusAdmin(NowAdmin, TaskPageAdmin):
    """Tasks in every state."""

    empty_title = _("No tasks yet")
    empty_text = _("A task appears here as soon as it is sent.")
    list_display = ("task", "state", "progress_bar", "about", "owner", "created", "ran")
    list_filter = (
        ("status", theme.ChoicesFilter), WaitsFilter, TaskNameFilter, QueueFilter, CreatedFilter, EndedFilter,
        CauseFilter, GroupFilter,
    )  # fmt: skip
    list_filter_submit = True
    list_per_page = 50
    list_select_related = ("owner",)
    #: The id has an index. Sorting a large table by another column reads all of it.
    ordering = ("-id",)
    sortable_by = ("created",)
    search_fields = ("task_id", "task_name", "error_message", "error_type")
    search_help_text = _("Task id, name or error")
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[theme.ChangeList]:
        return TaskChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], search_term: str
    ) -> tuple[QuerySet[TaskStatus], bool]:
        """Look up a whole task id by its index. Any other term reads the table."""
        term = search_term.strip()
        if term and (exact := queryset.filter(task_id=term)).exists():
            return exact, False
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        return found, may_have_duplicates

    # --- Columns ------------------------------------------------------------------------------------

    @admin.display(description=_("task"))
    def task(self, task: Any) -> SafeString:
        """Return its name with its step, its error or the time that it waits for."""
        note: Any = task.progress_text
        if task.error_start and task.is_finished:
            note = failures.in_words(task.error_type, task.error_start)
        elif task.status == states.PENDING and task.run_at > timezone.now():
            note = HELD if task.is_held else format_html(gettext("Not before {}"), elements.timestamp(task.run_at))
        return elements.named(task.task_name, note)

    @admin.display(description=_("status"))
    def state(self, task: TaskStatus) -> SafeString:
        return elements.label(task.get_status_display(), kind=elements.STATUS_KINDS[task.status])

    @admin.display(description=_("progress"))
    def progress_bar(self, task: TaskStatus) -> SafeString:
        name = gettext("Progress of %(task)s") % {"task": task.task_name}
        return elements.progress_bar(task.progress, status=task.status, name=name)

    @admin.display(description=_("about"))
    def about(self, task: Any) -> str:
        return task.related_link or elements.NOTHING

    @admin.display(description=_("created"), ordering="id")
    def created(self, task: TaskStatus) -> str:
        return elements.timestamp(task.created_at, short=True)

    @admin.display(description=_("duration"))
    def ran(self, task: TaskStatus) -> str:
        if task.started_at is None:
            return elements.NOTHING
        return elements.unbroken(duration.in_words((task.finished_at or timezone.now()) - task.started_at))
