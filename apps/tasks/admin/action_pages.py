"""Actions on the pages of tasks: on one, on the selected ones and on all that match. All ask first."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import audit, permission
from apps.tasks.actions import ended_until
from apps.tasks.admin import elements, hidden_time, links, row_key, theme
from apps.tasks.admin.actions import ACTIONS, BY_NAME, DELETE, Action, ActionForm, Selection, held_up
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.failures import in_short
from apps.tasks.models import TaskStatus

#: Number of tasks that the confirmation names.
NAMED = 10
#: Length of the shown start of an error, in characters.
ERROR_START_LENGTH = 160

METHODS = ("GET", "HEAD", "POST")
Fields = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Fence:
    """The tasks that were there when the question was asked. Later ones were not meant.

    Parameters:
      newest: Largest row id.
      at: Time of the question.
    """

    newest: int
    at: datetime

    @classmethod
    def of(cls, request: HttpRequest) -> "Fence | None":
        """Return the fence that a form has in its hidden fields. None: it has none, or another program made it up."""
        newest, at = row_key.parse(request.POST.get("newest", "")), hidden_time.parse(request.POST.get("asked"))
        return None if newest is None or at is None else cls(newest=newest, at=at)

    @classmethod
    def now(cls) -> "Fence":
        newest = TaskStatus.objects.order_by("-pk").values_list("pk", flat=True).first()
        return cls(newest=newest or 0, at=timezone.now())

    def fields(self) -> Fields:
        return [("newest", str(self.newest)), ("asked", self.at.isoformat())]

    def within(self, queryset: QuerySet[TaskStatus], action: Action) -> QuerySet[TaskStatus]:
        found = queryset.filter(pk__lte=self.newest)
        return found.filter(ended_until(self.at)) if action.act.of_ended else found


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to a request to act.

    Parameters:
      page: The page that asks. None: it is done, and messages tell what.
      task_id: Task that does it, if there are many.
    """

    page: HttpResponse | None = None
    task_id: str = ""


class OperatedAdmin(ReadOnlyAdmin):
    """Pages without forms, on which operators act on tasks through the ledger, each as their permissions allow."""

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may act on tasks in any way."""
        return bool(permitted(request))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions that the user may take on selected tasks."""
        found: dict[str, Any] = super().get_actions(request)
        return found | {
            action.name: (_on_selected(action), action.name, action.selected) for action in permitted(request)
        }

    def run_on_selected(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], action: Action
    ) -> HttpResponse | None:
        """Act on the tasks that are selected on the list, or on all that it has."""
        if not permission.may(request.user, action.name):
            raise PermissionDenied
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        hidden: Fields = [("action", action.name), ("is_confirmed", "1")]
        is_confirmed, query = "is_confirmed" in request.POST, ""
        if request.POST.get("select_across") == "1":
            known = Fence.of(request)
            is_confirmed = is_confirmed and known is not None
            fence = known or Fence.now()
            queryset, query = fence.within(queryset, action), request.GET.urlencode()
            selected = selected[:1]  # Django wants one.
            hidden += [("select_across", "1"), *fence.fields()]
        hidden += [(ACTION_CHECKBOX_NAME, key) for key in selected]
        back = request.get_full_path()
        answer = self.ask_or_run(
            request, action, queryset, is_confirmed=is_confirmed, hidden=hidden, back=back, query=query
        )
        return answer.page

    def _run_on_one(self, request: HttpRequest, object_id: int, action: Action) -> HttpResponse:
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        if not self.has_view_permission(request) or not permission.may(request.user, action.name):
            raise PermissionDenied
        tasks = self.get_queryset(request).filter(pk=object_id)
        if not tasks.exists():
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))
            return gone
        page = reverse("admin:tasks_taskstatus_change", args=[object_id])
        answer = self.ask_or_run(request, action, tasks, is_confirmed=request.method == "POST", back=page)
        if answer.page is not None:
            return answer.page
        is_gone = action is DELETE and not tasks.exists()
        return HttpResponseRedirect(reverse("admin:tasks_taskstatus_changelist") if is_gone else page)

    def act_on_all(self, request: HttpRequest) -> HttpResponse:
        """Act on all tasks that match the list's own query, after `?verb=retry&`."""
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = request.GET.copy()
        verb = "".join(query.pop("verb", [""])[-1:])
        page = reverse("admin:tasks_taskstatus_changelist")
        back = f"{page}?{query.urlencode()}" if query else page
        action = BY_NAME.get(verb)
        if action is None:
            text = gettext("Unknown action %(name)r, must be one of: %(names)s")
            messages.error(request, text % {"name": verb[:80], "names": ", ".join(BY_NAME)})
            return HttpResponseRedirect(page)
        if not permission.may(request.user, action.name):
            raise PermissionDenied
        listed = copy.copy(request)
        listed.GET = query  # type: ignore[assignment]
        try:
            shown = self.get_changelist_instance(listed)
        except IncorrectLookupParameters:
            messages.error(request, gettext("The list does not know this query."))
            return HttpResponseRedirect(page)
        matching = shown.queryset
        if not matching.exists():
            messages.warning(request, getattr(shown, "search_error", "") or gettext("No task matches."))
            return HttpResponseRedirect(back)
        known = Fence.of(request)
        fence = known or Fence.now()
        answer = self.ask_or_run(
            request,
            action,
            fence.within(matching.order_by(), action),
            is_confirmed=request.method == "POST" and known is not None,
            hidden=fence.fields(),
            back=back,
            query=query.urlencode(),
        )
        return answer.page or HttpResponseRedirect(links.page_of(answer.task_id) if answer.task_id else back)

    def ask_or_run(
        self,
        request: HttpRequest,
        action: Action,
        tasks: QuerySet[TaskStatus],
        *,
        is_confirmed: bool,
        back: str,
        hidden: Sequence[tuple[str, str]] = (),
        query: str = "",
    ) -> Answer:
        """Ask what is to become of the tasks, or do it.

        Parameters:
          is_confirmed: The request answers the question.
          back: URL of the link that leaves everything as it is.
          hidden: Hidden fields of the form of the question.
          query: Query of the list, if all that match are meant.
        """
        selection = action.select(tasks)
        if not selection.row_ids:
            self._tell(request, selection.refuse())
            return Answer()
        form = ActionForm(action, request.POST if is_confirmed else None)
        if not is_confirmed or not form.is_valid():
            return Answer(page=self._confirm(request, selection, form=form, hidden=hidden, back=back))
        meant: dict[str, Any] = {
            "by": audit.by_user(request.user, door=audit.ADMIN),
            "value": form.cleaned_data.get("value"),
            "reason": form.cleaned_data["reason"],
            "query": query,
        }
        if not selection.has_more:
            self._tell(request, selection.run(**meant))
            return Answer()
        task_id = selection.start(**meant)
        sentence = gettext('A task does it: <a href="{url}" class="text-link">see how far it is</a>.')
        messages.success(request, format_html(sentence, url=links.page_of(task_id)))
        self._tell(request, [(messages.WARNING, text) for text in held_up()])
        return Answer(task_id=task_id)

    def _tell(self, request: HttpRequest, results: Sequence[tuple[int, str]]) -> None:
        for level, sentence in results:
            messages.add_message(request, level, sentence)

    def _confirm(
        self,
        request: HttpRequest,
        selection: Selection,
        *,
        form: ActionForm,
        back: str,
        hidden: Sequence[tuple[str, str]] = (),
    ) -> HttpResponse:
        """Return the page that asks for confirmation. Its form goes to the URL of this request."""
        rows = TaskStatus.objects.filter(pk__in=selection.row_ids[:NAMED]).order_by("-pk")
        named = rows.only("pk", "task_name", "status", "created_at", "error_type").annotate(
            error_start=Left("error_message", ERROR_START_LENGTH)
        )
        action, rest = selection.action, max(0, len(selection.row_ids) - NAMED)
        for field in form.fields.values():
            theme.dress(field)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": selection.question,
            "opts": self.opts,
            "media": self.styles,
            "sentences": selection.before,
            "form": form,
            "hidden": hidden,
            "no": theme.button(_("No, take me back"), href=back),
            "yes": theme.button(action.yes, icon=action.icon, kind="danger" if action.is_danger else "primary"),
            "named": [
                {
                    "task": task,
                    "label": elements.label(task.get_status_display(), kind=elements.STATUS_KINDS[task.status]),
                    "created": elements.timestamp(task.created_at, short=True),
                    "error": in_short(task.error_type, task.error_start),
                }
                for task in named
            ],
            "not_named": elements.number(rest) + ("+" if selection.has_more else "") if rest else "",
        }
        return TemplateResponse(request, "tasks/confirm.html", context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("all/", view(self.act_on_all), name="tasks_taskstatus_all"),
            *(
                path(
                    f"<int:object_id>/{action.name}/",
                    view(self._run_on_one),
                    {"action": action},
                    name=f"tasks_taskstatus_{action.name}",
                )
                for action in ACTIONS
            ),
        ]
        return [*own, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        task = kwargs.get("obj")
        if task is not None:
            context["buttons"] = [
                theme.button(
                    action.title,
                    href=reverse(f"admin:tasks_taskstatus_{action.name}", args=[task.pk]),
                    icon=action.icon,
                )
                for action in permitted(request)
                if action.applies_to(task)
            ]
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response


def permitted(request: HttpRequest) -> list[Action]:
    """Return the actions that the user may take."""
    return [action for action in ACTIONS if permission.may(request.user, action.name)]


def _on_selected(action: Action) -> Callable[..., HttpResponse | None]:
    """Return the function that the list calls."""

    def run(model_admin: OperatedAdmin, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> HttpResponse | None:
        return model_admin.run_on_selected(request, queryset, action)

    return run
