"""Actions on schedules: on a schedule's page for one, on the list for the selected ones."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import elements, theme
from apps.tasks.errors import CannotRunError
from apps.tasks.models import Schedule, TaskStatus
from apps.tasks.schedules import actions as schedule_actions

#: Changes of one schedule, by the name in URLs: the function, the sentence afterwards and the entry in the history.
CHANGES: dict[str, tuple[Callable[[Schedule], None], Any, Any]] = {
    "pause": (schedule_actions.pause, _("%(schedule)s is paused."), _("Paused.")),
    "resume": (schedule_actions.resume, _("%(schedule)s runs again, from now on."), _("Resumed.")),
    "undo": (
        schedule_actions.undo_override,
        _("%(schedule)s comes at its declared time again."),
        _("Back to the declared time."),
    ),
}
PAUSED = ngettext_lazy("%(count)s schedule was paused.", "%(count)s schedules were paused.", "number")
RESUMED = ngettext_lazy("%(count)s schedule was resumed.", "%(count)s schedules were resumed.", "number")
LEFT = ngettext_lazy(
    "%(count)s schedule is left as it is: only superusers may schedule its actor.",
    "%(count)s schedules are left as they are: only superusers may schedule their actors.",
    "number",
)


class ActionsMixin:
    """Adds the actions to the pages of schedules."""

    actions = ("run_selected", "pause_selected", "resume_selected")
    admin_site: Any
    has_change_permission: Any
    log_change: Any

    # --- On a schedule's page ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self._run_on_one)
        own = [
            path(f"<int:object_id>/{name}/", view, {"name": name}, name=f"tasks_schedule_{name}")
            for name in ("run", *CHANGES)
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def _run_on_one(self, request: HttpRequest, object_id: int, name: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        schedule = get_object_or_404(Schedule, pk=object_id)
        if not self.has_change_permission(request, schedule):
            raise PermissionDenied
        if name == "run":
            self._send(request, schedule)
        else:
            change, sentence, entry = CHANGES[name]
            change(schedule)
            self.log_change(request, schedule, str(entry))
            messages.success(request, sentence % {"schedule": schedule.name})
        return HttpResponseRedirect(reverse("admin:tasks_schedule_change", args=[schedule.pk]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        schedule = kwargs.get("obj")
        if schedule is not None and self.has_change_permission(request, schedule):
            context["actions"] = [
                {"url": reverse(f"admin:tasks_schedule_{name}", args=[schedule.pk]), "button": button}
                for name, button in _buttons(schedule)
            ]
        response: HttpResponse = super().render_change_form(request, context, **kwargs)  # type: ignore[misc]
        return response

    # --- On the list ---

    @admin.action(description=_("Run the selected schedules now"), permissions=["change"])
    def run_selected(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for schedule in self._permitted(request, queryset):
            self._send(request, schedule)

    @admin.action(description=_("Pause the selected schedules"), permissions=["change"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._change_all(request, queryset, name="pause", sentence=PAUSED)

    @admin.action(description=_("Resume the selected schedules"), permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._change_all(request, queryset, name="resume", sentence=RESUMED)

    def _change_all(self, request: HttpRequest, queryset: QuerySet[Schedule], *, name: str, sentence: Any) -> None:
        change, _sentence, entry = CHANGES[name]
        schedules = self._permitted(request, queryset)
        for schedule in schedules:
            change(schedule)
            self.log_change(request, schedule, str(entry))
        if schedules:
            messages.success(request, elements.counted(sentence, len(schedules)))

    def _permitted(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> list[Schedule]:
        """Return the schedules that the user may change, with a message about the others."""
        schedules = list(queryset)
        permitted = [schedule for schedule in schedules if self.has_change_permission(request, schedule)]
        if len(permitted) < len(schedules):
            messages.warning(request, elements.counted(LEFT, len(schedules) - len(permitted)))
        return permitted

    def _send(self, request: HttpRequest, schedule: Schedule) -> None:
        """Send the schedule's task now, with a message that links to it."""
        try:
            task_id = schedule_actions.run_now(schedule, owner_id=request.user.pk)
        except CannotRunError as error:
            text = gettext("%(schedule)s cannot be run: %(error)s")
            messages.error(request, text % {"schedule": schedule.name, "error": error})
            return
        self.log_change(request, schedule, gettext("Run now."))
        task = TaskStatus.objects.only("pk").get(task_id=task_id)
        sentence = format_html(
            gettext('{schedule} was sent: <a href="{url}" class="underline">see its task</a>.'),
            schedule=schedule.name,
            url=reverse("admin:tasks_taskstatus_change", args=[task.pk]),
        )
        messages.success(request, sentence)


def _buttons(schedule: Schedule) -> list[tuple[str, Any]]:
    """Return the names of the actions that apply to a schedule, with their buttons."""
    found = [("run", theme.button(_("Run now"), icon="play_arrow"))]
    if schedule.enabled:
        found.append(("pause", theme.button(_("Pause"), icon="pause")))
    else:
        found.append(("resume", theme.button(_("Resume"), icon="resume")))
    if schedule.is_overridden:
        found.append(("undo", theme.button(_("Back to the declared time"), icon="undo")))
    return found
