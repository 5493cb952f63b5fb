"""The tasks' pages: the list, and one task with all that is known of it."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import display
from unfold.views import ChangeList

from apps.tasks import states
from apps.tasks.admin import duration, elements
from apps.tasks.admin.action_pages import ERROR_START_LENGTH, SteeredAdmin
from apps.tasks.admin.filters import CreatedFilter, QueueFilter, TaskNameFilter
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.admin.read_only import ReadOnlyInline
from apps.tasks.admin.related import name_related
from apps.tasks.models import ScheduleSlot, TaskAttempt, TaskStatus

#: What is said of a task whose `run_at` only keeps it from being sent until a scheduler releases it.
HELD = "Waits for the run of its schedule before it"


class TaskChangeList(ChangeList):  # type: ignore[misc]
    """The list reads no column that may be large and that it does not show."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[TaskStatus]:
        tasks: QuerySet[TaskStatus] = super().get_queryset(request, exclude_parameters)
        return tasks.defer("args", "kwargs", "options", "result", "error_message", "traceback").annotate(
            error_start=Left("error_message", ERROR_START_LENGTH)
        )

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Unfold says "(Show all)" beside the heading where they differ.
        self.full_result_count = self.result_count
        name_related(self.result_list, request=request, site=self.model_admin.admin_site)
        mark_held(self.result_list)


def mark_held(tasks: Sequence[Any]) -> None:
    """Note on each task, as `is_held`, whether it waits for the run of its schedule before it."""
    later = [task.task_id for task in tasks if task.status == states.PENDING and task.run_at > timezone.now()]
    held = ScheduleSlot.objects.filter(is_held=True, task_id__in=later).values_list("task_id", flat=True)
    found = set(held) if later else set()
    for task in tasks:
        task.is_held = task.task_id in found


class AttemptInline(ReadOnlyInline):
    """The attempts that did not complete, the last one first."""

    model = TaskAttempt
    permission = "tasks.view_taskstatus"
    verbose_name_plural = "attempts that did not complete"
    fields = readonly_fields = ("number", "ended", "error", "ran", "worker")
    ordering = ("-attempt",)
    per_page = 10

    @admin.display(description="attempt")
    def number(self, attempt: TaskAttempt) -> SafeString:
        return format_html('{}<span class="task-note">{}</span>', attempt.attempt, attempt.outcome)

    @admin.display(description="error")
    def error(self, attempt: TaskAttempt) -> SafeString:
        if not attempt.traceback:
            return format_html('<p class="task-text">{}</p>', attempt.error_message)
        return format_html(
            '<p class="task-text">{}</p><details class="task-details"><summary>Traceback</summary>{}</details>',
            attempt.error_message,
            elements.block(attempt.traceback),
        )

    @admin.display(description="duration")
    def ran(self, attempt: TaskAttempt) -> str:
        return duration.in_words(attempt.ended_at - attempt.started_at) if attempt.started_at else elements.NOTHING

    @admin.display(description="ended")
    def ended(self, attempt: TaskAttempt) -> str:
        return elements.timestamp(attempt.ended_at)

    @admin.display(description="worker")
    def worker(self, attempt: TaskAttempt) -> str:
        return worker_link(attempt.worker_id)


@admin.register(TaskStatus)
class TaskStatusAdmin(SteeredAdmin):
    """What is true of each task."""

    empty_title = "No tasks yet"
    empty_text = "A task appears here as soon as it is sent."
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
    inlines = (AttemptInline,)
    readonly_fields = (
        "state_label", "progress_line", "about", "error", "last_traceback", "arguments", "keyword_arguments",
        "message_options", "returned", "sent", "due", "claimed", "started", "finished", "waited", "ran",
        "expires", "cancel_requested", "worker",
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TaskChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], search_term: str
    ) -> tuple[QuerySet[TaskStatus], bool]:
        """A whole task id is looked up by its index; anything else reads the table."""
        term = search_term.strip()
        if term and (exact := queryset.filter(task_id=term)).exists():
            return exact, False
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        return found, may_have_duplicates

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> TaskStatus | None:
        task: TaskStatus | None = super().get_object(request, object_id, from_field)
        if task is not None:
            name_related([task], request=request, site=self.admin_site)
            mark_held([task])
        return task

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Without the help texts, which are for those who fill in a form."""
        kwargs["help_texts"] = {field.name: "" for field in self.opts.fields}
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(self._sections(obj))

    def _sections(self, task: TaskStatus) -> Iterator[tuple[str | None, dict[str, Any]]]:
        """The parts of a task's page. What has nothing to say is left out."""
        yield None, {"fields": [("state_label", "about"), ("progress_line", "owner")]}
        if task.error_message or task.traceback:
            title = "Error" if task.status == states.FAILED else "Error of the last attempt"
            yield title, {"fields": ["error", *(["last_traceback"] if task.traceback else [])]}
        if task.status == states.COMPLETED:
            yield "Result", {"fields": ["returned"]}
        message: list[Any] = [("task_name", "queue_name"), ("task_id", "priority"), "arguments", "keyword_arguments"]
        yield "Message", {"fields": message + (["message_options"] if task.options else [])}
        times: list[Any] = [("sent", "due"), ("claimed", "waited"), ("started", "ran"), "finished"]
        times += ["expires"] if task.expires_at else []
        times += ["cancel_requested"] if task.cancel_requested_at else []
        yield f"Time ({timezone.get_current_timezone_name()})", {"fields": times}
        yield "Runs", {"fields": [("attempt", "worker"), ("retries", "crashes")]}

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None and obj.attempts.exists() else ()

    # --- Columns and fields --------------------------------------------------------------------------

    @admin.display(description="task")
    def task(self, task: Any) -> SafeString:
        """Its name, and what it is doing, waits for or failed of."""
        note = task.progress_text
        if task.status == states.FAILED:
            note = task.error_start
        elif task.status == states.PENDING and task.run_at > timezone.now():
            note = HELD if task.is_held else format_html("Not before {}", elements.timestamp(task.run_at))
        return format_html('<span class="task-name">{}</span><span class="task-note">{}</span>', task.task_name, note)

    @display(description="status", label=elements.STATUS_KINDS)  # type: ignore[untyped-decorator]
    def state(self, task: TaskStatus) -> tuple[str, str]:
        return task.status, task.get_status_display()

    @admin.display(description="status")
    def state_label(self, task: TaskStatus) -> SafeString:
        return elements.label(task.get_status_display(), kind=elements.STATUS_KINDS[task.status])

    @admin.display(description="progress")
    def progress_bar(self, task: TaskStatus) -> SafeString:
        return elements.progress_bar(task.progress, status=task.status, name=f"Progress of {task.task_name}")

    @admin.display(description="progress")
    def progress_line(self, task: TaskStatus) -> SafeString:
        return format_html('{}<p class="task-text">{}</p>', self.progress_bar(task), task.progress_text)

    @admin.display(description="about")
    def about(self, task: Any) -> str:
        return task.related_link or elements.NOTHING

    @admin.display(description="message")
    def error(self, task: TaskStatus) -> SafeString:
        return format_html('<p class="task-text task-error">{}</p>', task.error_message)

    @admin.display(description="traceback")
    def last_traceback(self, task: TaskStatus) -> str:
        return elements.block(task.traceback)

    @admin.display(description="arguments")
    def arguments(self, task: TaskStatus) -> str:
        return elements.json_block(task.args) if task.args else elements.NOTHING

    @admin.display(description="keyword arguments")
    def keyword_arguments(self, task: TaskStatus) -> str:
        return elements.json_block(task.kwargs) if task.kwargs else elements.NOTHING

    @admin.display(description="options")
    def message_options(self, task: TaskStatus) -> str:
        return elements.json_block(task.options) if task.options else elements.NOTHING

    @admin.display(description="result")
    def returned(self, task: TaskStatus) -> str:
        return elements.json_block(task.result) if task.status == states.COMPLETED else elements.NOTHING

    @admin.display(description="created", ordering="id")
    def created(self, task: TaskStatus) -> str:
        return elements.timestamp(task.created_at, short=True)

    @admin.display(description="created")
    def sent(self, task: TaskStatus) -> str:
        return elements.timestamp(task.created_at)

    @admin.display(description="not before")
    def due(self, task: Any) -> str:
        return HELD if task.is_held else elements.timestamp(task.run_at)

    @admin.display(description="claimed")
    def claimed(self, task: TaskStatus) -> str:
        return elements.timestamp(task.claimed_at)

    @admin.display(description="started")
    def started(self, task: TaskStatus) -> str:
        return elements.timestamp(task.started_at)

    @admin.display(description="finished")
    def finished(self, task: TaskStatus) -> str:
        return elements.timestamp(task.finished_at)

    @admin.display(description="waited")
    def waited(self, task: TaskStatus) -> str:
        """From when it might have started until it did."""
        return duration.in_words(task.started_at - task.run_at) if task.started_at else elements.NOTHING

    @admin.display(description="duration")
    def ran(self, task: TaskStatus) -> str:
        if task.started_at is None:
            return elements.NOTHING
        return elements.unbroken(duration.in_words((task.finished_at or timezone.now()) - task.started_at))

    @admin.display(description="expires")
    def expires(self, task: TaskStatus) -> str:
        return elements.timestamp(task.expires_at)

    @admin.display(description="cancel requested")
    def cancel_requested(self, task: TaskStatus) -> str:
        return elements.timestamp(task.cancel_requested_at)

    @admin.display(description="worker")
    def worker(self, task: TaskStatus) -> str:
        return worker_link(task.worker_id)


def worker_link(worker_id: Any) -> str:
    """The page of a worker process. Its row may be forgotten by now."""
    if worker_id is None:
        return elements.NOTHING
    url = reverse("admin:tasks_workerprocess_change", args=[worker_id])
    return format_html('<a href="{}" class="text-link" title="{}">{}</a>', url, worker_id, str(worker_id)[:8])
