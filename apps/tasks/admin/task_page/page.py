"""The page of one task, with all its columns and attempts."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import failures, masking, states
from apps.tasks.admin import duration, elements, links, options
from apps.tasks.admin.action_pages import OperatedAdmin
from apps.tasks.admin.held import HELD, mark_held
from apps.tasks.admin.read_only import ReadOnlyInline
from apps.tasks.admin.related import name_related
from apps.tasks.admin.stack import StackAdmin
from apps.tasks.models import TaskAttempt, TaskStatus


class AttemptInline(ReadOnlyInline):
    """Attempts that did not complete, the last one first."""

    model = TaskAttempt
    permission = "tasks.view_taskstatus"
    verbose_name_plural = _("attempts that did not complete")
    fields = readonly_fields = ("number", "ended", "error", "ran", "worker")
    ordering = ("-attempt",)
    per_page = 10

    @admin.display(description=_("attempt"))
    def number(self, attempt: TaskAttempt) -> SafeString:
        return format_html('{}<span class="task-note">{}</span>', attempt.attempt, attempt.outcome)

    @admin.display(description=_("error"))
    def error(self, attempt: TaskAttempt) -> SafeString:
        message = elements.paragraph(failures.in_words(attempt.error_type, attempt.error_message))
        if not attempt.traceback:
            return message
        return format_html(
            '{}<details class="task-details"><summary>{}</summary>{}</details>',
            message,
            gettext("Traceback"),
            elements.block(attempt.traceback),
        )

    @admin.display(description=_("duration"))
    def ran(self, attempt: TaskAttempt) -> str:
        return duration.in_words(attempt.ended_at - attempt.started_at) if attempt.started_at else elements.NOTHING

    @admin.display(description=_("ended"))
    def ended(self, attempt: TaskAttempt) -> str:
        return elements.timestamp(attempt.ended_at)

    @admin.display(description=_("worker"))
    def worker(self, attempt: TaskAttempt) -> str:
        return links.worker(attempt.worker_id)


class TaskPageAdmin(StackAdmin, OperatedAdmin):
    """The page of one task."""

    inlines = (AttemptInline,)
    readonly_fields = (
        "state", "progress_line", "about", "error", "last_traceback", "arguments", "keyword_arguments",
        "waits_for", "said", "returned", "sent", "due", "claimed", "started", "finished", "waited", "ran",
        "expires", "cancel_requested", "worker", "stack_frames",
    )  # fmt: skip

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> TaskStatus | None:
        task: TaskStatus | None = super().get_object(request, object_id, from_field)
        if task is not None:
            name_related([task], request=request, site=self.admin_site)
            mark_held([task])
        return task

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(self._sections(obj))

    def _sections(self, task: TaskStatus) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Yield the sections of a task's page, without those that would be empty."""
        waits: list[Any] = ["waits_for"] if options.waits_for(task) else []
        yield None, {"fields": [("state", "about"), *waits, ("progress_line", "owner")]}
        if (stack := self.stack_of(task)) is not None:
            yield self.stack_title(stack), {"fields": ["stack_frames"]}
        if task.error_message or task.traceback:
            titles = {states.FAILED: _("Error"), states.COMPLETED: _("Error after it ran")}
            fields = ["error", *(["last_traceback"] if task.traceback else [])]
            yield titles.get(task.status, _("Error of the last attempt")), {"fields": fields}
        if task.status == states.COMPLETED:
            yield _("Result"), {"fields": ["returned"]}
        message: list[Any] = [("task_name", "queue_name"), ("task_id", "priority"), "arguments", "keyword_arguments"]
        yield _("Message"), {"fields": message}
        if options.lines(task):
            yield _("Options"), {"fields": ["said"]}
        times: list[Any] = [("sent", "due"), ("claimed", "waited"), ("started", "ran"), "finished"]
        times += ["expires"] if task.expires_at else []
        times += ["cancel_requested"] if task.cancel_requested_at else []
        yield elements.in_zone(_("Time (%(zone)s)")), {"fields": times}
        runs: list[Any] = [("attempt", "worker"), ("retries", "crashes")]
        yield _("Runs"), {"fields": runs + (["snoozes"] if task.snoozes else [])}

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None and obj.attempts.exists() else ()

    @admin.display(description=_("progress"))
    def progress_line(self, task: TaskStatus) -> SafeString:
        name = gettext("Progress of %(task)s") % {"task": task.task_name}
        bar = elements.progress_bar(task.progress, status=task.status, name=name)
        return bar + elements.paragraph(task.progress_text)

    @admin.display(description=_("message"))
    def error(self, task: TaskStatus) -> SafeString:
        return elements.paragraph(failures.in_words(task.error_type, task.error_message), is_error=True)

    @admin.display(description=_("traceback"))
    def last_traceback(self, task: TaskStatus) -> str:
        return elements.block(task.traceback)

    @admin.display(description=_("arguments"))
    def arguments(self, task: TaskStatus) -> str:
        return elements.json_block(masking.shown(task)[0]) if task.args else elements.NOTHING

    @admin.display(description=_("keyword arguments"))
    def keyword_arguments(self, task: TaskStatus) -> str:
        return elements.json_block(masking.shown(task)[1]) if task.kwargs else elements.NOTHING

    @admin.display(description=_("waits for"))
    def waits_for(self, task: TaskStatus) -> SafeString | None:
        return options.waits_for(task)

    @admin.display(description=_("set when sent"))
    def said(self, task: TaskStatus) -> SafeString:
        return options.as_list(options.lines(task))

    @admin.display(description=_("result"))
    def returned(self, task: TaskStatus) -> str:
        return elements.json_block(masking.shown_result(task)) if task.status == states.COMPLETED else elements.NOTHING

    @admin.display(description=_("created"))
    def sent(self, task: TaskStatus) -> str:
        return elements.timestamp(task.created_at)

    @admin.display(description=_("not before"))
    def due(self, task: Any) -> str:
        return str(HELD) if task.is_held else elements.timestamp(task.run_at)

    @admin.display(description=_("claimed"))
    def claimed(self, task: TaskStatus) -> str:
        return elements.timestamp(task.claimed_at)

    @admin.display(description=_("started"))
    def started(self, task: TaskStatus) -> str:
        return elements.timestamp(task.started_at)

    @admin.display(description=_("finished"))
    def finished(self, task: TaskStatus) -> str:
        return elements.timestamp(task.finished_at)

    @admin.display(description=_("waited"))
    def waited(self, task: TaskStatus) -> str:
        """Return the time from its earliest start to its start."""
        return duration.in_words(task.started_at - task.run_at) if task.started_at else elements.NOTHING

    @admin.display(description=_("expires"))
    def expires(self, task: TaskStatus) -> str:
        return elements.timestamp(task.expires_at)

    @admin.display(description=_("cancel requested"))
    def cancel_requested(self, task: TaskStatus) -> str:
        return elements.timestamp(task.cancel_requested_at)

    @admin.display(description=_("worker"))
    def worker(self, task: TaskStatus) -> str:
        return links.worker(task.worker_id)
