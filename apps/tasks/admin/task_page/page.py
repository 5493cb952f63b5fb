"""The page of one task, and the part of it that changes while the task is unfinished."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models.functions import Right
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import get_conditional_response
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import audit, failures, figures, masking, permission, states
from apps.tasks.admin import elements, etag, links, options, theme
from apps.tasks.admin.action_pages import OperatedAdmin
from apps.tasks.admin.related import name_related
from apps.tasks.admin.stack import StackAdmin
from apps.tasks.admin.task_list.row import state_label
from apps.tasks.admin.task_page import family, message, timeline, traces
from apps.tasks.models import ScheduleSlot, TaskAttempt, TaskStatus
from apps.tasks.reasons import Facts, Page, why


class TaskPageAdmin(StackAdmin, OperatedAdmin):
    """The page of one task."""

    change_form_template = "tasks/task_page/page.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.changing_part)
        return [path("<int:object_id>/part/", view, name="tasks_taskstatus_part"), *super().get_urls()]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> TaskStatus | None:
        task: TaskStatus | None = super().get_object(request, object_id, from_field)
        if task is not None:
            name_related([task], request=request, site=self.admin_site)
            task.hides_arguments = not permission.may(request.user, "view_arguments")  # type: ignore[attr-defined]
            task.closed = links.closed(request, self.admin_site)  # type: ignore[attr-defined]
        return task

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return none: the template of the page shows all."""
        return []

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        task = kwargs.get("obj")
        if task is not None:
            facts = Facts(task)
            context |= self._changing(request, task, facts) | {
                "title": task.task_name,
                "subtitle": None,
                "facts": list(_columns(task)),
                "options": options.as_list(found) if (found := options.lines(task)) else "",
                "part_url": "" if task.is_finished else reverse("admin:tasks_taskstatus_part", args=[task.pk]),
                "etag": self._etag(request, task, facts),
            }
            if permission.may(request.user, "view_arguments"):
                context |= {
                    "arguments": message.arguments(task),
                    "message": elements.json_block(message.as_redis_gets_it(task)),
                }
            if task.status == states.FAILED and task.cause:
                query = {"status__exact": states.FAILED, "cause": task.cause}
                href = f"{reverse('admin:tasks_taskstatus_changelist')}?{urlencode(query)}"
                context["cause_button"] = theme.button(_("All of this cause"), href=href, icon="filter_list")
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    def changing_part(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Return the part of the page that changes. 304: it has not."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        task = self.get_object(request, str(object_id))
        if task is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))
            return gone
        facts = Facts(task)
        tag = self._etag(request, task, facts)
        if unchanged := get_conditional_response(request, etag=tag):  # Compression makes tags weak.
            return unchanged
        request.current_app = self.admin_site.name
        context = self._changing(request, task, facts)
        return TemplateResponse(request, "tasks/task_page/part.html", context, headers={"ETag": tag})

    def _etag(self, request: HttpRequest, task: TaskStatus, facts: Facts) -> str:
        """Return a tag of all that the part shows. The durations in it go on by themselves in the browser."""
        stack = self.stack_of(task)
        newest = audit.of(task)[:1]
        parts = (
            task.status, task.attempt, task.updated_at, task.claimed_at, task.started_at, task.cancel_requested_at,
            stack and stack.answered_at, newest and newest[0].entry_id, get_language(),
            etag.steady(facts.now.timestamp()) if not task.is_finished else 0,
            permission.may(request.user, "view_arguments"),
        )  # fmt: skip
        return etag.of(repr(parts))

    def _changing(self, request: HttpRequest, task: TaskStatus, facts: Facts) -> dict[str, Any]:
        """Return what the changing part shows, with a number of queries that does not grow with the task's life."""
        reason = why(task, facts)
        rows = TaskAttempt.objects.filter(task=task).defer("traceback", "cause").order_by("-attempt")
        attempts = list(rows.annotate(trace=Right("traceback", traces.LENGTH + 1))[: timeline.MOST_ATTEMPTS])
        for attempt in attempts:
            attempt.traceback = attempt.trace
        usual = figures.usual(task.task_name)
        closed: tuple[str, ...] = task.closed  # type: ignore[attr-defined]
        stack = self.stack_of(task)
        may_see = permission.may(request.user, "view_arguments")
        name = gettext("Progress of %(task)s") % {"task": task.task_name}
        is_held = reason.kind == "schedule"
        task.is_held = is_held  # type: ignore[attr-defined]
        return {
            "task": task,
            "state": state_label(task),
            "reason": reason,
            "reason_url": links.unless_closed(address_of(reason.page), closed),
            "bar": elements.progress_bar(task.progress, status=task.status, name=name),
            "zone": elements.in_zone(_("Timeline (%(zone)s)")),
            "timeline": timeline.of(task, attempts, usual=usual, now=facts.now, is_held=is_held, closed=closed),
            "stack_title": None if stack is None else self.stack_title(stack),
            "stack": None if stack is None else self.stack_frames(task),
            "error_title": error_title(task),
            "error": elements.cut(failures.in_words(task.error_type, task.error_message)),
            "trace": traces.shown(task.traceback) if task.traceback else "",
            "result": elements.json_block(masking.shown_result(task))
            if task.status == states.COMPLETED and may_see
            else "",
            "family": family.of(task),
            "group": next(options.group(task), None),
            "history": audit.of(task),
        }


def error_title(task: TaskStatus) -> Any:
    titles = {states.FAILED: _("Error"), states.COMPLETED: _("Error after it ran")}
    return titles.get(task.status, _("Error of the last attempt"))


def address_of(page: Page | None) -> str:
    """Return the address of the page that helps. Empty: there is none."""
    if page is None:
        return ""
    if page.kind in ("limit", "schedule", "worker"):
        model = "workerprocess" if page.kind == "worker" else page.kind
        return reverse(f"admin:tasks_{model}_change", args=[page.key])
    if page.kind == "actor":
        return f"{reverse('admin:tasks_pause_actor')}?{urlencode({'name': page.key})}"
    if page.kind in ("processes", "queues"):
        return reverse(f"admin:tasks_{'pause_queues' if page.kind == 'queues' else 'workerprocess_changelist'}")
    queries = {
        "queue": {"status__exact": states.PENDING, "queue": page.key},
        "tasks": {"status__exact": states.PROCESSING},
    }
    return f"{reverse('admin:tasks_taskstatus_changelist')}?{urlencode(queries[page.kind])}"


def _columns(task: Any) -> Iterator[tuple[Any, SafeString | str]]:
    """Yield name and value of the columns that are worth a line."""
    yield _("about"), task.related_link or elements.NOTHING
    if task.owner is not None:
        yield _("owner"), str(task.owner)
    yield _("queue"), task.queue_name
    yield _("priority"), str(task.priority)
    yield _("task id"), task.task_id
    yield _("attempt"), str(task.attempt + 1)
    for name, number in ((_("retries"), task.retries), (_("snoozes"), task.snoozes), (_("crashes"), task.crashes)):
        if number:
            yield name, str(number)
    if task.expires_at is not None:
        yield _("expires"), elements.timestamp(task.expires_at)
    if task.worker_id is not None:
        yield _("worker"), links.worker(task.worker_id, closed=task.closed)
    schedule = task.options.get("schedule") if isinstance(task.options, dict) else None
    if isinstance(schedule, str):
        slots = ScheduleSlot.objects.filter(schedule__name=schedule, task_id=task.task_id)
        if (slot := slots.values_list("slot", flat=True).first()) is not None:
            yield _("slot"), elements.timestamp(slot)
