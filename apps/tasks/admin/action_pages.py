"""What people do to tasks, on the list to selected ones and on its page to one. It is asked whether they are sure."""

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

from apps.tasks.admin import elements, row_key
from apps.tasks.admin.actions import CANCEL, RETRY, VERBS, Choice, Told, Verb
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.models import TaskStatus

#: So many of the tasks are named when one is asked.
NAMED = 10
#: So much of an error is shown, in characters.
ERROR_START_LENGTH = 160


class SteeredAdmin(ReadOnlyAdmin):
    """Rows that nobody edits, and that those who may change tasks call off and send again, through the ledger."""

    actions = ("call_off", "send_again")
    change_form_outer_before_template = "tasks/steering.html"
    has_history = True

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Not that of a form that saves a row, which nobody has."""
        return bool(request.user.has_perm("tasks.change_taskstatus"))

    @admin.action(description="Call off the selected tasks", permissions=["steer"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> HttpResponse | None:
        return self._steer_selected(request, queryset, verb=CANCEL)

    @admin.action(description="Send the selected tasks again", permissions=["steer"])
    def retry(self, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> HttpResponse | None:
        return self._steer_selected(request, queryset, verb=RETRY)

    def _steer_selected(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], *, verb: Verb
    ) -> HttpResponse | None:
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        hidden = [("action", verb.name), ("is_sure", "1")]
        is_sure = "is_sure" in request.POST
        if request.POST.get("select_across") == "1":
            # All that the list had when it was asked: what came since was not meant.
            newest = row_key.parse(request.POST.get("newest", ""))
            is_sure = is_sure and newest is not None
            if newest is None:
                newest = queryset.order_by("-pk").values_list("pk", flat=True).first() or 0
            queryset = queryset.filter(pk__lte=newest)
            selected = selected[:1]  # Django wants one.
            hidden += [("select_across", "1"), ("newest", str(newest))]
        choice = verb.choose(queryset)
        if is_sure or not choice.row_ids:
            self._act(request, choice)
            return None
        hidden += [(ACTION_CHECKBOX_NAME, key) for key in selected]
        return self._ask(request, choice, hidden=hidden, back=request.get_full_path())

    def _steer_one(self, request: HttpRequest, object_id: int, verb: Verb) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if not self.has_steer_permission(request):
            raise PermissionDenied
        tasks = self.get_queryset(request).filter(pk=object_id)
        if not tasks.exists():
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))
            return gone
        choice, page = verb.choose(tasks), reverse("admin:tasks_taskstatus_change", args=[object_id])
        if choice.row_ids and request.method != "POST":
            return self._ask(request, choice, back=page)
        self._act(request, choice)
        return HttpResponseRedirect(page)

    def _act(self, request: HttpRequest, choice: Choice) -> None:
        user_id = request.user.pk
        assert user_id is not None, "only those who are signed in have a permission"
        told: list[Told] = choice.act(user_id=user_id) if choice.row_ids else choice.refuse()
        for level, sentence in told:
            messages.add_message(request, level, sentence)

    def _ask(
        self, request: HttpRequest, choice: Choice, *, back: str, hidden: Sequence[tuple[str, str]] = ()
    ) -> HttpResponse:
        """Whether one is sure. The form goes to the address that asked, with these fields."""
        rows = TaskStatus.objects.filter(pk__in=choice.row_ids[:NAMED]).order_by("-pk")
        named = rows.only("pk", "task_name", "status", "created_at").annotate(
            error_start=Left("error_message", ERROR_START_LENGTH)
        )
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": choice.question,
            "opts": self.opts,
            "media": self.media,
            "choice": choice,
            "hidden": hidden,
            "back": back,
            "named": [
                {
                    "task": task,
                    "label": elements.label(task.get_status_display(), kind=elements.STATUS_KINDS[task.status]),
                    "created": elements.timestamp(task.created_at, short=True),
                }
                for task in named
            ],
            "not_named": max(0, len(choice.row_ids) - NAMED),
        }
        return TemplateResponse(request, "tasks/are_you_sure.html", context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path(
                f"<int:object_id>/{verb.name.replace('_', '-')}/",
                view(self._steer_one),
                {"verb": verb},
                name=f"tasks_taskstatus_{verb.name}",
            )
            for verb in VERBS
        ]
        return [*own, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        task = kwargs.get("obj")
        if task is not None and self.has_steer_permission(request):
            context["verbs"] = [
                {"verb": verb, "address": reverse(f"admin:tasks_taskstatus_{verb.name}", args=[task.pk])}
                for verb in VERBS
                if verb.takes(task)
            ]
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response
