"""Columns of the list of schedules, and read-only fields of a schedule's page."""

from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import masking
from apps.tasks.admin import elements, links
from apps.tasks.admin.schedule import preview, state, tracker
from apps.tasks.admin.schedule.form import TIME_FIELDS, interval_in_words
from apps.tasks.models import Schedule

MISSED = ngettext_lazy("%(count)s slot was missed so far.", "%(count)s slots were missed so far.", "number")


class ColumnsMixin:
    """Columns of the list."""

    @admin.display(description=_("schedule"), ordering="name")
    def schedule(self, schedule: Schedule) -> SafeString:
        note = schedule.task_name if schedule.task_name != schedule.name else schedule.declared_in
        return elements.named(schedule.name, note)

    @admin.display(description=_("when"))
    def time(self, schedule: Schedule) -> SafeString:
        note = f"{schedule.cron}, {schedule.time_zone}"
        if not schedule.cron:
            note = gettext("counted from %(time)s UTC") % {"time": date_format(schedule.anchor_at, "j M Y, H:i:s")}
        if schedule.is_overridden:
            note += " " + gettext("(declared: %(cron)s)") % {"cron": schedule.declared_cron}
        return format_html(
            '<span><span class="schedule-when" title="{0}">{0}</span><span class="task-note">{1}</span></span>',
            preview.in_words(schedule),
            note,
        )

    @admin.display(description=_("state"))
    def state(self, schedule: Schedule) -> SafeString:
        return format_html('<span title="{}">{}</span>', state.complaint(schedule), state.label(schedule))

    @admin.display(description=elements.in_zone(_("next run (%(zone)s)")), ordering="next_at")
    def next_run(self, schedule: Schedule) -> SafeString | str:
        comes = state.of(schedule) in (state.ON, state.LATE)
        return elements.timestamp(schedule.next_at, short=True) if comes else elements.NOTHING

    @admin.display(description=elements.in_zone(_("last run (%(zone)s)")))
    def last_run(self, schedule: Any) -> SafeString | str:
        slots = tracker.drawn(schedule.last_slots)
        if schedule.last_slot is None:
            return slots or elements.NOTHING
        task = schedule.last_task
        return format_html(
            '<span><span class="schedule-last">{} {}</span>{}</span>',
            elements.timestamp(schedule.last_slot, short=True),
            links.task(schedule.last_task_id, pk=task.pk if task else None, status=task.status if task else None),
            slots,
        )

    @admin.display(description=_("missed"), ordering="missed_count")
    def missed(self, schedule: Schedule) -> str:
        return elements.number(schedule.missed_count) if schedule.missed_count else elements.NOTHING


class FieldsMixin:
    """Read-only fields of a schedule's page."""

    @admin.display(description=_("state"))
    def condition(self, schedule: Schedule) -> SafeString:
        missed = elements.counted(MISSED, schedule.missed_count) if schedule.missed_count else ""
        return format_html(
            "{}{}{}",
            state.label(schedule),
            elements.paragraph(state.complaint(schedule), is_error=True),
            elements.paragraph(missed),
        )

    @admin.display(description=_("declared"))
    def declaration(self, schedule: Schedule) -> SafeString:
        return format_html(
            '<p class="task-text">{} {}</p>',
            format_html(
                gettext("{actor} in <code>{place}</code>, as <code>{cron}</code> in UTC."),
                actor=schedule.task_name,
                place=schedule.declared_in,
                cron=schedule.declared_cron,
            ),
            gettext("Its time was changed here.") if schedule.is_overridden else "",
        )

    @admin.display(description=_("arguments"))
    def arguments(self, schedule: Schedule) -> SafeString | str:
        if not schedule.kwargs:
            return elements.NOTHING
        return elements.json_block(masking.arguments(schedule.task_name, [], schedule.kwargs)[1])

    @admin.display(description=_("interval"))
    def interval(self, schedule: Schedule) -> str:
        return interval_in_words(schedule.interval_seconds) if schedule.interval_seconds else elements.NOTHING

    @admin.display(description=_("next times"))
    def next_times(self, schedule: Schedule | None) -> SafeString:
        is_saved = schedule is not None and schedule.pk is not None
        shown: Any = ""
        if schedule is not None and is_saved:
            try:
                shown = preview.upcoming(schedule)
            except ValueError as error:
                shown = preview.errors([str(error)])
        return format_html(
            '<div id="schedule-upcoming" aria-live="polite" data-url="{url}" data-pk="{pk}" data-fields="{fields}"'
            ' data-empty="{empty}" data-failed="{failed}">{shown}</div>',
            url=reverse("admin:tasks_schedule_preview"),
            pk=schedule.pk if schedule is not None and is_saved else "",
            fields=" ".join(TIME_FIELDS),
            empty=gettext("Enter a cron text or an interval."),
            failed=gettext("The next times cannot be shown at the moment."),
            shown=shown,
        )
