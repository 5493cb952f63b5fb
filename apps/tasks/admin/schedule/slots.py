"""The slots on a schedule's page."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import elements, links
from apps.tasks.admin.read_only import ReadOnlyInline
from apps.tasks.models import ScheduleSlot, TaskStatus

OUTCOME_KINDS = {
    ScheduleSlot.FIRED: "success",
    ScheduleSlot.BY_HAND: "info",
    ScheduleSlot.MISSED: "danger",
    ScheduleSlot.SKIPPED: "warning",
}
MISSED = ngettext_lazy("Missed %(count)s slot", "Missed %(count)s slots", "number")


class SlotInline(ReadOnlyInline):
    """Outcomes of the last slots."""

    model = ScheduleSlot
    permission = "tasks.view_schedule"
    verbose_name_plural = _("slots that came")
    fields = readonly_fields = ("came", "became", "task")
    ordering = ("-slot",)
    per_page = 10

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduleSlot]:
        slots: QuerySet[ScheduleSlot] = super().get_queryset(request)
        status = TaskStatus.objects.filter(task_id=OuterRef("task_id"))
        return slots.annotate(status=Subquery(status.values("status")[:1]), status_pk=Subquery(status.values("pk")[:1]))

    @admin.display(description=_("slot"))
    def came(self, slot: ScheduleSlot) -> SafeString | str:
        if slot.count == 1:
            return elements.timestamp(slot.slot)
        first, last = elements.timestamp(slot.first_slot), elements.timestamp(slot.slot)
        return format_html(gettext("{first} to {last}"), first=first, last=last)

    @admin.display(description=_("outcome"))
    def became(self, slot: ScheduleSlot) -> SafeString:
        text = slot.get_outcome_display()
        if slot.outcome == ScheduleSlot.MISSED:
            text = elements.counted(MISSED, slot.count)
        label = elements.label(text, kind=OUTCOME_KINDS[slot.outcome])
        note = gettext("waits for the previous run") if slot.is_held else ""
        return format_html('{}<span class="task-note">{}</span>', label, note)

    @admin.display(description=_("task"))
    def task(self, slot: Any) -> SafeString | str:
        return links.task(slot.task_id, pk=slot.status_pk, status=slot.status)
