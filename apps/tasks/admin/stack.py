"""The stack of a running task on its page, with the calls of libraries folded."""

from collections.abc import Iterator
from itertools import groupby
from textwrap import dedent
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import stacks, states
from apps.tasks.admin import elements, theme
from apps.tasks.errors import NotRunningError
from apps.tasks.models import TaskStack, TaskStatus
from apps.tasks.values import Frame

FOLDED = ngettext_lazy("%(count)s call in libraries", "%(count)s calls in libraries", "number")


class StackAdmin(theme.ModelAdmin):
    """A button that asks for the stack of a running task, and the answer of its worker."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.ask_for_stack)
        return [path("<int:object_id>/stack/", view, name="tasks_taskstatus_stack"), *super().get_urls()]

    # A worker sees the request only once it is committed.
    @method_decorator(transaction.non_atomic_requests)
    def ask_for_stack(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for the stack and show the page once the worker has answered, or does not."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        task = self.get_queryset(request).filter(pk=object_id).first()
        if task is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))
            return gone
        try:
            stacks.ask(task)
        except NotRunningError as error:
            messages.warning(request, str(error))
        else:
            if stacks.wait(task) is None:
                messages.warning(request, stacks.why_unanswered(task))
        return HttpResponseRedirect(reverse("admin:tasks_taskstatus_change", args=[object_id]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        task = kwargs.get("obj")
        if task is not None and task.status == states.PROCESSING and task.started_at is not None:
            again = self.stack_of(task) is not None
            context["stack_url"] = reverse("admin:tasks_taskstatus_stack", args=[task.pk])
            context["stack_button"] = theme.button(
                gettext("Show its stack again") if again else gettext("Show its stack"), icon="account_tree"
            )
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    def stack_of(self, task: TaskStatus) -> TaskStack | None:
        """Return the answer about the attempt that runs now."""
        if task.status != states.PROCESSING:
            return None
        if not hasattr(task, "last_stack"):
            task.last_stack = stacks.of(task)  # type: ignore[attr-defined]
        found: TaskStack | None = task.last_stack  # type: ignore[attr-defined]
        is_current = found is not None and found.attempt == task.attempt and found.answered_at is not None
        return found if is_current else None

    def stack_title(self, stack: TaskStack) -> str:
        assert stack.answered_at is not None, "only answers are shown"
        time = date_format(timezone.localtime(stack.answered_at), "H:i:s")
        return gettext("Stack at %(time)s") % {"time": time}

    @admin.display(description=_("calls"))
    def stack_frames(self, task: TaskStatus) -> SafeString | str:
        stack = self.stack_of(task)
        return elements.NOTHING if stack is None else format_html_join("", "{}", _parts(stacks.frames_of(stack)))


def _parts(frames: list[Frame]) -> Iterator[tuple[SafeString | str]]:
    """Yield the runs of calls: shown ones, and folded ones of libraries."""
    for is_library, group in groupby(frames, key=lambda frame: frame.is_library):
        calls = list(group)
        block = elements.block(dedent("\n".join(line for call in calls for line in call.lines)))
        if is_library:
            yield (
                format_html(
                    '<details class="task-details"><summary>{}</summary>{}</details>',
                    elements.counted(FOLDED, len(calls)),
                    block,
                ),
            )
        else:
            yield (block,)
