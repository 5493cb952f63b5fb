"""The schedules' pages, put together."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import theme
from apps.tasks.admin.schedule import tracker
from apps.tasks.admin.schedule.actions import ActionsMixin
from apps.tasks.admin.schedule.columns import ColumnsMixin, FieldsMixin
from apps.tasks.admin.schedule.filters import OriginFilter, StateFilter
from apps.tasks.admin.schedule.form import ScheduleForm, argument_field, with_arguments
from apps.tasks.admin.schedule.preview import PreviewMixin
from apps.tasks.admin.schedule.slots import SlotInline
from apps.tasks.models import Schedule, TaskStatus
from apps.tasks.schedules import actions, declared
from apps.tasks.schedules.allowed import form_of, may_schedule


class ScheduleChangeList(theme.ChangeList):  # type: ignore[misc]
    """Schedules with their last runs: one query for the rows, one for the states of their tasks."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Schedule]:
        schedules: QuerySet[Schedule] = super().get_queryset(request, exclude_parameters).with_last_run()
        return schedules

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        ids = [row.last_task_id for row in self.result_list if row.last_task_id]
        tasks = {task.task_id: task for task in TaskStatus.objects.filter(task_id__in=ids).only("task_id", "status")}
        trackers = tracker.of(row.pk for row in self.result_list)
        for row in self.result_list:
            row.last_task = tasks.get(row.last_task_id)
            row.last_slots = trackers.get(row.pk, [])


def _actor_name(request: HttpRequest, schedule: Schedule | None) -> str:
    """Return the chosen actor: of the form that was sent, else of the row, else of the link to the page."""
    chosen = request.POST.get("task_name")
    if chosen is None:
        chosen = schedule.task_name if schedule is not None else request.GET.get("task_name", "")
    return chosen


@admin.register(Schedule)
class ScheduleAdmin(ColumnsMixin, FieldsMixin, ActionsMixin, PreviewMixin, theme.ModelAdmin):
    """Times at which actors are sent."""

    form = ScheduleForm
    change_list_template = "tasks/list.html"
    change_form_template = "tasks/schedule/page.html"
    empty_title = _("No schedules yet")
    empty_text = _("Declare one on an actor with periodic=cron(...), or add one here.")
    list_display = ("schedule", "time", "state", "next_run", "last_run", "missed")
    list_filter = (StateFilter, OriginFilter)
    list_filter_submit = True
    list_per_page = 50
    ordering = ("name",)
    sortable_by = ("schedule", "next_run", "missed")
    search_fields = ("name", "task_name")
    search_help_text = _("Name or actor")
    show_facets = admin.ShowFacets.NEVER
    inlines = (SlotInline,)

    class Media:
        js = ("tasks/schedule.js",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs.setdefault("form", with_arguments(self.form, self._own_form(request, obj)))
        form = super().get_form(request, obj, change=change, **kwargs)
        form.user = request.user
        return form

    def _may_edit(self, request: HttpRequest, obj: Schedule | None) -> bool:
        """Return whether the page shows the arguments to edit them. Those of a declared schedule stay."""
        if obj is None:
            return bool(self.has_add_permission(request))
        return not obj.is_declared and self.has_change_permission(request, obj)

    def _own_form(self, request: HttpRequest, obj: Schedule | None) -> type[forms.Form] | None:
        """Return the form of the chosen actor's arguments if the page shows it. Its choices may be secret."""
        name = _actor_name(request, obj)
        return form_of(name) if self._may_edit(request, obj) and may_schedule(request.user, name) else None

    def has_change_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """Return whether the user may change schedules and, of a given one, schedule its actor."""
        may_change = bool(super().has_change_permission(request, obj))
        return may_change and (obj is None or may_schedule(request.user, obj.task_name))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[theme.ChangeList]:
        return ScheduleChangeList

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        own_form = self._own_form(request, obj)
        sent: list[Any] = ["name", "task_name", *map(argument_field, own_form.base_fields)] if own_form else []
        sent = sent or ["name", "task_name", "kwargs"]
        if obj is not None:
            sent.insert(0, "condition")
        if obj is not None and obj.is_declared:
            sent = ["condition", "declaration", "arguments"]
        when: list[Any] = ["cron", ("every", "every_unit"), "time_zone", "next_times", "start_at", "end_at"]
        if not self.has_change_permission(request, obj):
            when[1] = "interval"
        limits: list[Any] = ["missed_policy", ("missed_limit", "grace_seconds"), "overlap", "jitter_seconds", "enabled"]
        return [(None, {"fields": sent}), (_("When"), {"fields": when}), (_("What if"), {"fields": limits})]

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> list[str]:
        return ["condition", "declaration", "arguments", "next_times", "interval"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None and obj.slots.exists() else ()

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """Return whether the user may delete the schedule. A declared one would come back, and can only be paused."""
        if obj is not None and (obj.name in declared.names() or not may_schedule(request.user, obj.task_name)):
            return False
        return bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)  # It would delete declared ones, too.
        return found

    def save_model(self, request: HttpRequest, obj: Schedule, form: ScheduleForm, change: bool) -> None:
        if change:
            actions.change(obj, form.changed_values())
        else:
            actions.make(obj)

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        actions.delete(obj)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        declared.make_missing()
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response
