"""The tasks' pages: the list, and one task with all that is known of it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import display
from unfold.views import ChangeList

from apps.tasks import states
from apps.tasks.admin import duration, elements
from apps.tasks.admin.filters import CreatedFilter, QueueFilter, TaskNameFilter
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.admin.related import name_related
from apps.tasks.models import TaskAttempt, TaskStatus

#: So much of an error is shown in the list, in characters.
ERROR_START_LENGTH = 160


class TaskChangeList(ChangeList):
    """The list reads no column that may be large and that it does not show."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[TaskStatus]:
        tasks: QuerySet[TaskStatus] = super().get_queryset(request, exclude_parameters)
        return tasks.defer("args", "kwargs", "options", "result", "error_message", "traceback").annotate(
            error_start=Left("error_message", ERROR_START_LENGTH)
        )

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        name_related(self.result_list, request=request, site=self.model_admin.admin_site)


class AttemptInline(TabularInline):
    """The attempts that did not complete, the last one first."""

    model = TaskAttempt
    verbose_name_plural = "attempts that did not complete"
    fields = readonly_fields = ("number", "outcome", "error", "started", "ended", "worker")
    ordering = ("-attempt",)
    per_page = 10
    hide_title = True
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("tasks.view_taskstatus")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="attempt")
    def number(self, attempt: TaskAttempt) -> int:
        return attempt.attempt

    @display(description="error")
    def error(self, attempt: TaskAttempt) -> SafeString:
        if not attempt.traceback:
            return format_html('<p class="task-text">{}</p>', attempt.error_message)
        return format_html(
            '<p class="task-text">{}</p><details class="task-details"><summary>Traceback</summary>{}</details>',
            attempt.error_message,
            elements.block(attempt.traceback),
        )

    @display(description="started")
    def started(self, attempt: TaskAttempt) -> str:
        return elements.moment(attempt.started_at)

    @display(description="ended")
    def ended(self, attempt: TaskAttempt) -> str:
        return elements.moment(attempt.ended_at)

    @display(description="worker")
    def worker(self, attempt: TaskAttempt) -> str:
        return worker_link(attempt.worker_id)


@admin.register(TaskStatus)
class TaskStatusAdmin(ReadOnlyAdmin):
    """What is true of each task."""

    list_display = ("task", "state", "progress_bar", "about", "owner", "created", "ran")
    list_filter = (("status", ChoicesCheckboxFilter), TaskNameFilter, QueueFilter, CreatedFilter)
    list_filter_submit = True
    list_per_page = 50
    list_select_related = ("owner",)
    #: By id alone, which has an index: sorting a large table by anything else reads all of it.
    ordering = ("-id",)
    sortable_by = ("created",)
    search_fields = ("task_id", "task_name", "error_message")
    search_help_text = "Task id, name or error"
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    empty_value_display = elements.NOTHING
    inlines = (AttemptInline,)
    readonly_fields = (
        "state_label", "progress_line", "about", "error", "last_traceback", "arguments", "keyword_arguments",
        "message_options", "returned", "created", "due", "claimed", "started", "finished", "waited", "ran",
        "expires", "cancel_requested", "worker",
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TaskChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], search_term: str
    ) -> tuple[QuerySet[TaskStatus], bool]:
        """A whole task id is looked up by its index; anything else reads the table."""
        exact = queryset.filter(task_id=search_term.strip())
        if search_term.strip() and exact.exists():
            return exact, False
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        return found, may_have_duplicates

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> TaskStatus | None:
        task: TaskStatus | None = super().get_object(request, object_id, from_field)
        if task is not None:
            name_related([task], request=request, site=self.admin_site)
        return task

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        error = ("Error" if obj.status == states.FAILED else "Last error", {"fields": ["error", "last_traceback"]})
        times: list[Any] = [("created", "due"), ("claimed", "started"), ("finished", "ran"), "waited"]
        return [
            ("Status", {"fields": ["state_label", "progress_line", "about", "owner"]}),
            *([error] if obj.error_message or obj.traceback else []),
            ("Result", {"fields": ["returned"]}),
            (
                "Message",
                {
                    "fields": [
                        "task_id", ("task_name", "queue_name"), "priority", "arguments", "keyword_arguments",
                        "message_options",
                    ]
                },
            ),  # fmt: skip
            (
                f"Time ({timezone.get_current_timezone_name()})",
                {
                    "fields": times
                    + (["expires"] if obj.expires_at else [])
                    + (["cancel_requested"] if obj.cancel_requested_at else [])
                },
            ),
            ("Attempts", {"fields": [("attempt", "retries", "crashes"), "worker"]}),
        ]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Iterable[type[TabularInline]]:
        return self.inlines if obj is not None and obj.attempts.exists() else ()

    # --- Columns and fields --------------------------------------------------------------------------

    @display(description="task")
    def task(self, task: Any) -> SafeString:
        note = task.progress_text
        if task.status == states.FAILED or (task.error_start and not note):
            note = task.error_start
        elif task.status == states.PENDING and task.run_at > timezone.now():
            note = format_html("Not before {}", elements.moment(task.run_at))
        return format_html(
            '<span class="task-name">{}</span><span class="task-note">{}</span>', task.task_name, note or task.queue_name
        )

    @display(description="status", label=elements.STATUS_KINDS)
    def state(self, task: TaskStatus) -> tuple[str, str]:
        return task.status, task.get_status_display()

    @display(description="status")
    def state_label(self, task: TaskStatus) -> SafeString:
        return elements.label(task.get_status_display(), kind=elements.STATUS_KINDS[task.status])

    @display(description="progress")
    def progress_bar(self, task: TaskStatus) -> SafeString:
        return elements.progress_bar(task.progress, status=task.status, name=f"Progress of {task.task_name}")

    @display(description="progress")
    def progress_line(self, task: TaskStatus) -> SafeString:
        return format_html('{}<span class="task-text">{}</span>', self.progress_bar(task), task.progress_text)

    @display(description="about")
    def about(self, task: Any) -> str:
        return str(task.related_link) and task.related_link or elements.NOTHING

    @display(description="error")
    def error(self, task: TaskStatus) -> SafeString:
        return format_html('<p class="task-text task-error">{}</p>', task.error_message)

    @display(description="traceback")
    def last_traceback(self, task: TaskStatus) -> str:
        return elements.block(task.traceback)

    @display(description="arguments")
    def arguments(self, task: TaskStatus) -> str:
        return elements.json_block(task.args) if task.args else elements.NOTHING

    @display(description="keyword arguments")
    def keyword_arguments(self, task: TaskStatus) -> str:
        return elements.json_block(task.kwargs) if task.kwargs else elements.NOTHING

    @display(description="options")
    def message_options(self, task: TaskStatus) -> str:
        return elements.json_block(task.options) if task.options else elements.NOTHING

    @display(description="result")
    def returned(self, task: TaskStatus) -> str:
        return elements.json_block(task.result) if task.status == states.COMPLETED else elements.NOTHING

    @display(description="created", ordering="id")
    def created(self, task: TaskStatus) -> str:
        return elements.moment(task.created_at)

    @display(description="not before")
    def due(self, task: TaskStatus) -> str:
        return elements.moment(task.run_at)

    @display(description="claimed")
    def claimed(self, task: TaskStatus) -> str:
        return elements.moment(task.claimed_at)

    @display(description="started")
    def started(self, task: TaskStatus) -> str:
        return elements.moment(task.started_at)

    @display(description="finished")
    def finished(self, task: TaskStatus) -> str:
        return elements.moment(task.finished_at)

    @display(description="waited")
    def waited(self, task: TaskStatus) -> str:
        """From when it might have started until it did."""
        return duration.in_words(task.started_at - task.run_at) if task.started_at else elements.NOTHING

    @display(description="duration")
    def ran(self, task: TaskStatus) -> str:
        if task.started_at is None:
            return elements.NOTHING
        return duration.in_words((task.finished_at or timezone.now()) - task.started_at)

    @display(description="expires")
    def expires(self, task: TaskStatus) -> str:
        return elements.moment(task.expires_at)

    @display(description="cancel requested")
    def cancel_requested(self, task: TaskStatus) -> str:
        return elements.moment(task.cancel_requested_at)

    @display(description="worker")
    def worker(self, task: TaskStatus) -> str:
        return worker_link(task.worker_id)


def worker_link(worker_id: Any) -> str:
    """The page of a worker process. Its row may be forgotten by now."""
    if worker_id is None:
        return elements.NOTHING
    url = reverse("admin:tasks_workerprocess_change", args=[worker_id])
    return format_html('<a href="{}" class="text-link">{}</a>', url, worker_id)
