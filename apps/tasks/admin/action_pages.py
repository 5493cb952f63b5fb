"""Actions on the pages of tasks: on the list for the selected tasks, on a task's page for one. Both ask first."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import elements, row_key, theme
from apps.tasks.admin.actions import ACTIONS, CANCEL, RETRY, Action, Selection
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.failures import in_words
from apps.tasks.models import TaskStatus

#: Number of tasks that the confirmation names.
NAMED = 10
#: Length of the shown start of an error, in characters.
ERROR_START_LENGTH = 160


class OperatedAdmin(ReadOnlyAdmin):
    """Pages without forms, on which operators cancel and retry tasks through the ledger."""

    actions = ("cancel", "retry")
    change_form_template = "tasks/task_page/page.html"
    has_history = True

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may change tasks. There is no permission to save a form of a task."""
        return bool(request.user.has_perm("tasks.change_taskstatus"))

    @admin.action(description=_("Cancel the selected tasks"), permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> HttpResponse | None:
        return self._run_on_selected(request, queryset, action=CANCEL)

    @admin.action(description=_("Retry the selected tasks"), permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> HttpResponse | None:
        return self._run_on_selected(request, queryset, action=RETRY)

    def _run_on_selected(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], *, action: Action
    ) -> HttpResponse | None:
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        hidden = [("action", action.name), ("is_confirmed", "1")]
        is_confirmed = "is_confirmed" in request.POST
        if request.POST.get("select_across") == "1":
            # All tasks that the list had when the confirmation was shown. Later ones were not meant.
            newest = row_key.parse(request.POST.get("newest", ""))
            is_confirmed = is_confirmed and newest is not None
            if newest is None:
                newest = queryset.order_by("-pk").values_list("pk", flat=True).first() or 0
            queryset = queryset.filter(pk__lte=newest)
            selected = selected[:1]  # Django wants one.
            hidden += [("select_across", "1"), ("newest", str(newest))]
        selection = action.select(queryset)
        if is_confirmed or not selection.row_ids:
            self._run(request, selection)
            return None
        hidden += [(ACTION_CHECKBOX_NAME, key) for key in selected]
        return self._confirm(request, selection, hidden=hidden, back=request.get_full_path())

    def _run_on_one(self, request: HttpRequest, object_id: int, action: Action) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if not self.has_operate_permission(request):
            raise PermissionDenied
        tasks = self.get_queryset(request).filter(pk=object_id)
        if not tasks.exists():
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))
            return gone
        selection, page = action.select(tasks), reverse("admin:tasks_taskstatus_change", args=[object_id])
        if selection.row_ids and request.method != "POST":
            return self._confirm(request, selection, back=page)
        self._run(request, selection)
        return HttpResponseRedirect(page)

    def _run(self, request: HttpRequest, selection: Selection) -> None:
        results = selection.run(user_id=request.user.pk) if selection.row_ids else selection.refuse()
        for level, sentence in results:
            messages.add_message(request, level, sentence)

    def _confirm(
        self, request: HttpRequest, selection: Selection, *, back: str, hidden: Sequence[tuple[str, str]] = ()
    ) -> HttpResponse:
        """Return the page that asks for confirmation. Its form goes to the URL of this request.

        Parameters:
          back: URL of the link that leaves everything as it is.
          hidden: Hidden fields of the form.
        """
        rows = TaskStatus.objects.filter(pk__in=selection.row_ids[:NAMED]).order_by("-pk")
        named = rows.only("pk", "task_name", "status", "created_at", "error_type").annotate(
            error_start=Left("error_message", ERROR_START_LENGTH)
        )
        action = selection.action
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": selection.question,
            "opts": self.opts,
            "media": self.media,
            "sentences": selection.before,
            "hidden": hidden,
            "no": theme.button(_("No, take me back"), href=back),
            "yes": theme.button(action.yes, icon=action.icon, kind="danger" if action.is_danger else "primary"),
            "named": [
                {
                    "task": task,
                    "label": elements.label(task.get_status_display(), kind=elements.STATUS_KINDS[task.status]),
                    "created": elements.timestamp(task.created_at, short=True),
                    "error": in_words(task.error_type, task.error_start),
                }
                for task in named
            ],
            "not_named": max(0, len(selection.row_ids) - NAMED),
        }
        return TemplateResponse(request, "tasks/confirm.html", context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path(
                f"<int:object_id>/{action.name}/",
                view(self._run_on_one),
                {"action": action},
                name=f"tasks_taskstatus_{action.name}",
            )
            for action in ACTIONS
        ]
        return [*own, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        task = kwargs.get("obj")
        if task is not None and self.has_operate_permission(request):
            context["buttons"] = [
                theme.button(
                    action.title,
                    href=reverse(f"admin:tasks_taskstatus_{action.name}", args=[task.pk]),
                    icon=action.icon,
                )
                for action in ACTIONS
                if action.applies_to(task)
            ]
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response
