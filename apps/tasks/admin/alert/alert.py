"""Pages of alerts: the list, those that fire first, and one alert with its silence."""

from typing import Any

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import duration
from apps.tasks.admin import elements, links, theme
from apps.tasks.admin.alert.silence import SilenceMixin
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.alerts import places
from apps.tasks.alerts.conditions import value_in_words
from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import Alert, TaskStatus

FIRING, SILENCED, ENDED = "firing", "silenced", "ended"
STATES = {FIRING: (_("Firing"), "danger"), SILENCED: (_("Silenced"), "warning"), ENDED: (_("Ended"), "default")}
#: Tasks that told an alert, shown at most.
MOST_TOLD = 10


def state_of(alert: Any) -> str:
    """Return the state of a row of `with_silence`."""
    if alert.ended_at is not None:
        return ENDED
    return SILENCED if alert.is_silent else FIRING


class StateFilter(theme.DropdownFilter):  # type: ignore[misc]
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, name) for key, (name, _kind) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        silenced = Q(silenced_until__isnull=False, silenced_until__gt=ClockTimestamp())
        chosen = {
            FIRING: Q(ended_at=None) & (Q(silenced_until=None) | Q(silenced_until__lte=ClockTimestamp())),
            SILENCED: Q(ended_at=None) & silenced,
            ENDED: Q(ended_at__isnull=False),
        }
        return queryset.filter(chosen[self.value()]) if self.value() in chosen else queryset


@admin.register(Alert)
class AlertAdmin(SilenceMixin, ReadOnlyAdmin):
    """Alerts, those that fire first."""

    change_form_template = "tasks/alert/alert.html"
    empty_title = _("No alerts")
    empty_text = _("A relay starts one when the condition of a rule has lasted.")
    list_display = ("what", "state", "since", "lasted", "worst_value", "told")
    list_filter = (StateFilter, ("kind", theme.ChoicesFilter))
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ()
    search_fields = ("scope", "sentence")
    search_help_text = _("Queue, actor, schedule or words")
    show_facets = admin.ShowFacets.NEVER
    has_history = False
    readonly_fields = (
        "state", "what_to_do", "look", "runbook", "its_rule", "since", "started", "ended", "lasted", "first_value",
        "worst_value", "told", "tasks", "silence",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("state", "what_to_do", "look", "runbook")}),
        (_("Time"), {"fields": (("since", "started"), ("ended", "lasted"), ("first_value", "worst_value"))}),
        (_("Told"), {"fields": ("its_rule", "told", "tasks", "silence")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        # Django would order the rows before they have what they are ordered by.
        found: QuerySet[Alert] = Alert.objects.started().with_silence().select_related("rule", "silenced_by")
        return found.order_by(*self.get_ordering(request))

    def get_ordering(self, request: HttpRequest) -> Any:
        return (F("ended_at").desc(nulls_first=True), "is_silent", "-started_at")

    @admin.display(description=_("alert"))
    def what(self, alert: Alert) -> SafeString:
        name = alert.rule.name if alert.rule is not None else alert.get_kind_display()
        return format_html(
            '<span class="alert-sentence">{}</span><span class="task-note">{}</span>', alert.sentence, name
        )

    @admin.display(description=_("state"))
    def state(self, alert: Alert) -> SafeString:
        name, kind = STATES[state_of(alert)]
        return elements.label(name, kind=kind)

    @admin.display(description=_("what to do"))
    def what_to_do(self, alert: Alert) -> SafeString | str:
        return elements.paragraph(alert.remedy) if alert.remedy else elements.NOTHING

    @admin.display(description=_("see"))
    def look(self, alert: Alert) -> SafeString | str:
        href = places.of(alert.kind, alert.scope)
        return elements.link(href, gettext("The page that explains it")) if href else elements.NOTHING

    @admin.display(description=_("runbook"))
    def runbook(self, alert: Alert) -> SafeString | str:
        place = places.runbook(alert.kind)
        return format_html('<code class="task-monospaced">{}</code>', place) if place else elements.NOTHING

    @admin.display(description=_("rule"))
    def its_rule(self, alert: Alert) -> SafeString | str:
        if alert.rule is None:
            return gettext("Deleted")
        return elements.link(reverse("admin:tasks_alertrule_change", args=[alert.rule.pk]), alert.rule.name)

    @admin.display(description=_("since"))
    def since(self, alert: Alert) -> SafeString | str:
        return elements.timestamp(alert.noticed_at, short=True)

    @admin.display(description=_("started"))
    def started(self, alert: Alert) -> SafeString | str:
        return elements.timestamp(alert.started_at)

    @admin.display(description=_("ended"))
    def ended(self, alert: Alert) -> SafeString | str:
        return elements.timestamp(alert.ended_at)

    @admin.display(description=_("lasted"))
    def lasted(self, alert: Alert) -> SafeString:
        return elements.unbroken(duration.in_words((alert.ended_at or timezone.now()) - alert.noticed_at))

    @admin.display(description=_("value at the start"))
    def first_value(self, alert: Alert) -> str:
        return value_in_words(alert.unit, alert.value) or elements.NOTHING

    @admin.display(description=_("worst value"))
    def worst_value(self, alert: Alert) -> SafeString:
        return elements.unbroken(value_in_words(alert.unit, alert.worst) or elements.NOTHING)

    @admin.display(description=_("told"))
    def told(self, alert: Alert) -> SafeString | str:
        channels = ((_("mail"), alert.mailed_at), (_("webhook"), alert.posted_at))
        found = [(name, elements.timestamp(at, short=True)) for name, at in channels if at is not None]
        return format_html_join(", ", "{} {}", found) or elements.NOTHING

    @admin.display(description=_("tasks that tell it"))
    def tasks(self, alert: Alert) -> SafeString | str:
        rows = TaskStatus.objects.about(alert).only("pk", "task_id", "task_name", "status").order_by("pk")[:MOST_TOLD]
        found = [(row.task_name, links.task(row.task_id, pk=row.pk, status=row.status)) for row in rows]
        return format_html_join(", ", "{} {}", found) or elements.NOTHING
