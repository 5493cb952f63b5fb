"""The schedules' pages: the list, and one schedule with its next times and what became of its slots."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList

from apps.tasks.admin import duration, elements, row_key
from apps.tasks.admin.read_only import ReadOnlyInline
from apps.tasks.admin.schedule_form import TIME_FIELDS, ScheduleForm, interval_in_words
from apps.tasks.errors import CannotRunError
from apps.tasks.models import Schedule, ScheduleSlot, TaskStatus
from apps.tasks.schedules import actions, checking, clock, declared

#: So many of the next times are shown.
UPCOMING = 5

ON, LATE, PAUSED, BROKEN, ENDED = "On", "Late", "Paused", "Broken", "Ended"
STATE_KINDS = {ON: "success", LATE: "danger", PAUSED: "warning", BROKEN: "danger", ENDED: "default"}
#: So long after its time no scheduler is busy any more: none runs.
LATE_AFTER = timedelta(minutes=1)

OUTCOME_KINDS = {
    ScheduleSlot.FIRED: "success",
    ScheduleSlot.BY_HAND: "info",
    ScheduleSlot.MISSED: "danger",
    ScheduleSlot.SKIPPED: "warning",
}


def state_of(schedule: Schedule) -> str:
    if checking.broken(schedule):
        return BROKEN
    if not schedule.enabled:
        return PAUSED
    if schedule.next_at is None:
        return ENDED
    return LATE if schedule.next_at < clock.faster(timezone.now()) - LATE_AFTER else ON


def complaint(schedule: Schedule) -> str:
    """A sentence where it does not do what it should."""
    late = "No scheduler has sent its last slot. Is a scheduler running?" if state_of(schedule) == LATE else ""
    return checking.broken(schedule) or late


def upcoming(schedule: Schedule, *, now: datetime) -> SafeString:
    """The next times of a schedule that makes sense, in its zone."""
    timing = schedule.timing
    after = max(now, schedule.decided_until or now)
    times = [
        {
            "iso": slot.astimezone(timing.zone).isoformat(),
            "shown": _local(slot.astimezone(timing.zone)),
            "utc": "" if schedule.time_zone == "UTC" else f"{slot:%H:%M} UTC",
            "wait": f"in {duration.in_words(slot - now)}" if slot > now else "now",
        }
        for slot in timing.upcoming(after, count=UPCOMING)
    ]
    return render_to_string(
        "tasks/schedules/upcoming.html",
        {
            "words": in_words(schedule),
            "times": times,
            "zone": schedule.time_zone,
            "jitter": schedule.jitter_seconds,
        },
    )


def _local(time: datetime) -> str:
    """Such as `Mon 30 Nov 2026, 08:00 CET`."""
    seconds = f":{time:%S}" if time.second else ""
    return f"{time:%a} {time.day} {time:%b %Y, %H:%M}{seconds} {time.tzname()}"


def in_words(schedule: Schedule) -> str:
    """When it comes, in English."""
    try:
        timing = schedule.timing
    except ValueError:
        return schedule.cron
    return timing.cron.words if timing.cron else interval_in_words(schedule.interval_seconds or 0)


class StateFilter(DropdownFilter):  # type: ignore[misc]
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.lower(), state) for state in STATE_KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> QuerySet[Schedule]:
        if self.value() not in {state.lower() for state in STATE_KINDS}:
            return queryset
        # What is broken is known to the code alone.
        return queryset.filter(pk__in=[row.pk for row in queryset if state_of(row).lower() == self.value()])


class OriginFilter(DropdownFilter):  # type: ignore[misc]
    title = "origin"
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("declared", "Declared in the code"), ("admin", "Made in the admin")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> QuerySet[Schedule]:
        if self.value() == "declared":
            return queryset.exclude(declared_cron="")
        return queryset.filter(declared_cron="") if self.value() == "admin" else queryset


class ScheduleChangeList(ChangeList):  # type: ignore[misc]
    """Each schedule with its last run: one query for the rows, one for the states of their tasks."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Schedule]:
        schedules: QuerySet[Schedule] = super().get_queryset(request, exclude_parameters).with_last_run()
        return schedules

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        ids = [row.last_task_id for row in self.result_list if row.last_task_id]
        tasks = {task.task_id: task for task in TaskStatus.objects.filter(task_id__in=ids).only("task_id", "status")}
        for row in self.result_list:
            row.last_task = tasks.get(row.last_task_id)


class SlotInline(ReadOnlyInline):
    """What became of the last slots."""

    model = ScheduleSlot
    permission = "tasks.view_schedule"
    verbose_name_plural = "slots that came"
    fields = readonly_fields = ("came", "became", "task")
    ordering = ("-slot",)
    per_page = 10

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduleSlot]:
        slots: QuerySet[ScheduleSlot] = super().get_queryset(request)
        status = TaskStatus.objects.filter(task_id=OuterRef("task_id"))
        return slots.annotate(status=Subquery(status.values("status")[:1]), status_pk=Subquery(status.values("pk")[:1]))

    @admin.display(description="slot")
    def came(self, slot: ScheduleSlot) -> SafeString | str:
        if slot.count == 1:
            return elements.timestamp(slot.slot)
        return format_html("{} to {}", elements.timestamp(slot.first_slot), elements.timestamp(slot.slot))

    @admin.display(description="what became of it")
    def became(self, slot: ScheduleSlot) -> SafeString:
        text = slot.get_outcome_display()
        if slot.outcome == ScheduleSlot.MISSED:
            text = f"Missed {slot.count:,} {'slot' if slot.count == 1 else 'slots'}"
        label = elements.label(text, kind=OUTCOME_KINDS[slot.outcome])
        note = "waits for the run before it" if slot.is_held else ""
        return format_html('{}<span class="task-note">{}</span>', label, note)

    @admin.display(description="task")
    def task(self, slot: Any) -> SafeString | str:
        return task_link(slot.task_id, pk=slot.status_pk, status=slot.status)


def task_link(task_id: str, *, pk: int | None, status: str | None) -> SafeString | str:
    """A task's state as a link to its page. Its row may be gone by now."""
    if not task_id:
        return elements.NOTHING
    if pk is None or status is None:
        return format_html('<del title="{}">Deleted</del>', task_id)
    text = dict(TaskStatus.STATUS_CHOICES)[status]
    url = reverse("admin:tasks_taskstatus_change", args=[pk])
    return format_html('<a href="{}">{}</a>', url, elements.label(text, kind=elements.STATUS_KINDS[status]))


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):  # type: ignore[misc]
    """When actors are sent messages by themselves."""

    form = ScheduleForm
    change_list_template = "tasks/read_only_list.html"
    change_form_outer_before_template = "tasks/schedules/steering.html"
    empty_title = "No schedules yet"
    empty_text = "Declare one on an actor with periodic=cron(...), or add one here."
    list_display = ("schedule", "time", "state", "next_run", "last_run", "missed")
    list_filter = (StateFilter, OriginFilter)
    list_filter_submit = True
    list_per_page = 50
    ordering = ("name",)
    sortable_by = ("schedule", "next_run", "missed")
    search_fields = ("name", "task_name")
    search_help_text = "Name or actor"
    show_facets = admin.ShowFacets.NEVER
    actions = ("run_selected", "pause_selected", "resume_selected")
    inlines = (SlotInline,)

    class Media:
        js = ("tasks/schedule.js",)

    # --- The form ---

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ScheduleChangeList

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        sent: list[Any] = ["name", "task_name", "kwargs"]
        if obj is not None:
            sent.insert(0, "condition")
        if obj is not None and obj.is_declared:
            sent = ["condition", "declaration", "arguments"]
        when: list[Any] = ["cron", ("every", "every_unit"), "time_zone", "next_times", "start_at", "end_at"]
        if not self.has_change_permission(request, obj):
            when[1] = "interval"
        limits: list[Any] = ["missed_policy", ("missed_limit", "grace_seconds"), "overlap", "jitter_seconds", "enabled"]
        return [(None, {"fields": sent}), ("When", {"fields": when}), ("What if", {"fields": limits})]

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> list[str]:
        return ["condition", "declaration", "arguments", "next_times", "interval"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None and obj.slots.exists() else ()

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        """What is declared in the code would come back: it can be paused."""
        if obj is not None and obj.name in declared.names():
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

    # --- Steering ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        verbs = {"run": self.run, "pause": actions.pause, "resume": actions.resume, "undo": actions.undo_override}
        said = {
            "pause": "{} is paused.",
            "resume": "{} runs again, from now on.",
            "undo": "{} comes when its declaration says again.",
        }

        def steer(request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            schedule = get_object_or_404(Schedule, pk=object_id)
            if not self.has_change_permission(request, schedule):
                raise PermissionDenied
            if verb == "run":
                self.run(request, schedule)
            else:
                act: Callable[[Schedule], None] = verbs[verb]  # type: ignore[assignment]
                act(schedule)
                self.log_change(request, schedule, verb.capitalize())
                messages.success(request, said[verb].format(schedule.name))
            return HttpResponseRedirect(reverse("admin:tasks_schedule_change", args=[schedule.pk]))

        own = [path("preview/", view(self.preview), name="tasks_schedule_preview")]
        own += [
            path(f"<int:object_id>/{verb}/", view(steer), {"verb": verb}, name=f"tasks_schedule_{verb}")
            for verb in verbs
        ]
        return [*own, *super().get_urls()]

    def run(self, request: HttpRequest, schedule: Schedule) -> None:
        """Send its task now, and say so."""
        try:
            task_id = actions.run_now(schedule, owner_id=request.user.pk)
        except CannotRunError as error:
            messages.error(request, f"{schedule.name} cannot be run: {error}")
            return
        self.log_change(request, schedule, "Run now")
        task = TaskStatus.objects.only("pk").get(task_id=task_id)
        url = reverse("admin:tasks_taskstatus_change", args=[task.pk])
        messages.success(
            request, format_html('{} was sent: <a href="{}" class="underline">see its task</a>.', schedule.name, url)
        )

    @admin.action(description="Run the selected schedules now", permissions=["change"])
    def run_selected(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for schedule in queryset:
            self.run(request, schedule)

    @admin.action(description="Pause the selected schedules", permissions=["change"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._steer_all(request, queryset, actions.pause, "paused")

    @admin.action(description="Resume the selected schedules", permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._steer_all(request, queryset, actions.resume, "resumed")

    def _steer_all(
        self, request: HttpRequest, queryset: QuerySet[Schedule], act: Callable[[Schedule], None], said: str
    ) -> None:
        schedules = list(queryset)
        for schedule in schedules:
            act(schedule)
            self.log_change(request, schedule, said.capitalize())
        noun = "schedule was" if len(schedules) == 1 else "schedules were"
        messages.success(request, f"{len(schedules)} {noun} {said}.")

    def preview(self, request: HttpRequest) -> HttpResponse:
        """The next times of what the form holds, before it is saved; or what is wrong with it."""
        key = row_key.parse(request.GET.get("pk", ""))
        schedule = None if key is None else Schedule.objects.filter(pk=key).first()
        if not (self.has_change_permission(request, schedule) or self.has_add_permission(request)):
            raise PermissionDenied
        form = self.get_form(request, schedule, change=schedule is not None)(request.GET, instance=schedule)
        found = form.time_errors()
        if found:
            return HttpResponse(render_to_string("tasks/schedules/upcoming.html", {"errors": found}))
        return HttpResponse(upcoming(form.instance, now=clock.faster(timezone.now())))

    # --- Columns and fields ---

    @admin.display(description="schedule", ordering="name")
    def schedule(self, schedule: Schedule) -> SafeString:
        note = schedule.task_name if schedule.task_name != schedule.name else schedule.declared_in
        return format_html('<span class="task-name">{}</span><span class="task-note">{}</span>', schedule.name, note)

    @admin.display(description="when")
    def time(self, schedule: Schedule) -> SafeString:
        note = f"counted from {schedule.anchor_at:%-d %b %Y, %H:%M:%S} UTC"
        if schedule.cron:
            note = f"{schedule.cron}, {schedule.time_zone}"
        if schedule.is_overridden:
            note += f" (declared: {schedule.declared_cron})"
        return format_html(
            '<span><span class="schedule-when" title="{0}">{0}</span><span class="task-note">{1}</span></span>',
            in_words(schedule),
            note,
        )

    @admin.display(description="state")
    def state(self, schedule: Schedule) -> SafeString:
        state = state_of(schedule)
        return format_html(
            '<span title="{}">{}</span>', complaint(schedule), elements.label(state, kind=STATE_KINDS[state])
        )

    @admin.display(description="next run (UTC)", ordering="next_at")
    def next_run(self, schedule: Schedule) -> SafeString | str:
        return (
            elements.timestamp(schedule.next_at, short=True) if state_of(schedule) in (ON, LATE) else elements.NOTHING
        )

    @admin.display(description="last run (UTC)")
    def last_run(self, schedule: Any) -> SafeString | str:
        if schedule.last_slot is None:
            return elements.NOTHING
        task = schedule.last_task
        return format_html(
            '<span class="schedule-last">{} {}</span>',
            elements.timestamp(schedule.last_slot, short=True),
            task_link(schedule.last_task_id, pk=task.pk if task else None, status=task.status if task else None),
        )

    @admin.display(description="missed", ordering="missed_count")
    def missed(self, schedule: Schedule) -> str:
        return f"{schedule.missed_count:,}" if schedule.missed_count else elements.NOTHING

    @admin.display(description="state")
    def condition(self, schedule: Schedule) -> SafeString:
        state = state_of(schedule)
        missed = f"{schedule.missed_count:,} slots were missed so far." if schedule.missed_count else ""
        return format_html(
            '{}<p class="task-text task-error">{}</p><p class="task-text">{}</p>',
            elements.label(state, kind=STATE_KINDS[state]),
            complaint(schedule),
            missed,
        )

    @admin.display(description="declared")
    def declaration(self, schedule: Schedule) -> SafeString:
        changed = "Its time was changed here." if schedule.is_overridden else ""
        return format_html(
            '<p class="task-text">{} in <code>{}</code>, as <code>{}</code> in UTC. {}</p>',
            schedule.task_name,
            schedule.declared_in,
            schedule.declared_cron,
            changed,
        )

    @admin.display(description="arguments")
    def arguments(self, schedule: Schedule) -> SafeString | str:
        return elements.json_block(schedule.kwargs) if schedule.kwargs else elements.NOTHING

    @admin.display(description="interval")
    def interval(self, schedule: Schedule) -> str:
        return interval_in_words(schedule.interval_seconds) if schedule.interval_seconds else elements.NOTHING

    @admin.display(description="next times")
    def next_times(self, schedule: Schedule | None) -> SafeString:
        shown: Any = ""
        if schedule is not None and schedule.pk is not None:
            try:
                shown = upcoming(schedule, now=clock.faster(timezone.now()))
            except ValueError as error:
                shown = render_to_string("tasks/schedules/upcoming.html", {"errors": [str(error)]})
        return format_html(
            '<div id="schedule-upcoming" aria-live="polite" data-url="{}" data-pk="{}" data-fields="{}">{}</div>',
            reverse("admin:tasks_schedule_preview"),
            (schedule.pk if schedule is not None else None) or "",
            " ".join(TIME_FIELDS),
            shown,
        )
