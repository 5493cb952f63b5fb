"""Pages of the rules of alerts: the list, and the form with a button that sends a test."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import audit
from apps.tasks.admin import elements, theme
from apps.tasks.admin.alert.form import RuleForm
from apps.tasks.alerts import places, rules, telling, trial
from apps.tasks.alerts.conditions import value_in_words
from apps.tasks.models import AlertRule

#: Columns of a declared rule that are the code's alone.
OF_THE_CODE = ("name", "kind", "scope")


@admin.register(AlertRule)
class AlertRuleAdmin(theme.ModelAdmin):
    """Rules of alerts: conditions, and whom they are told to."""

    form = RuleForm
    change_list_template = "tasks/list.html"
    change_form_template = "tasks/alert/rule.html"
    empty_title = _("No rules yet")
    empty_text = _("The declared ones are stored by the first relay that starts.")
    list_display = ("rule", "state", "threshold_in_words", "times", "told_to", "origin")
    list_filter = ("enabled", "kind")
    list_filter_submit = True
    list_per_page = 50
    ordering = ("name",)
    sortable_by = ("rule",)
    search_fields = ("name", "scope")
    search_help_text = _("Name, queue, actor or schedule")
    show_facets = admin.ShowFacets.NEVER
    readonly_fields = ("runbook",)

    def get_readonly_fields(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        own = OF_THE_CODE if obj is not None and obj.is_declared else ()
        return (*self.readonly_fields, *own)

    def get_exclude(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        """Leave the webhook's address out for users who may only look: it may have a secret in it."""
        return () if obj is None or self.has_change_permission(request, obj) else ("webhook",)

    def get_fieldsets(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        numbers: list[Any] = ["threshold", "window_minutes", "least_runs"]
        if obj is not None and obj.is_declared:
            # Its condition stays, and has no use for the others.
            numbers = [name for name in numbers if getattr(obj, name) is not None]
        may_change = obj is None or self.has_change_permission(request, obj)
        return (
            (None, {"fields": ("name", "kind", "scope", "enabled", "runbook")}),
            (_("When"), {"fields": (*numbers, ("hold_seconds", "clear_seconds"))}),
            (_("Told to"), {"fields": ("mail_to", "webhook") if may_change else ("mail_to",)}),
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        rules.update()  # No relay may have started yet since the code has them.
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def has_delete_permission(self, request: HttpRequest, obj: AlertRule | None = None) -> bool:
        """Return whether the user may delete the rule. A declared one would come back, and can only be switched off."""
        if obj is not None and obj.is_declared and obj.name in rules.NAMES.values():
            return False
        return bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)  # It would delete declared ones, too.
        return found

    def save_model(self, request: HttpRequest, obj: AlertRule, form: Any, change: bool) -> None:
        if obj.is_declared and form.changed_data:
            obj.is_changed = True
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if form.changed_data:
                by, target = audit.by_user(request.user, door=audit.ADMIN), f"alert rule:{obj.name}"
                audit.note("change", by=by, target=target, value=", ".join(form.changed_data))

    # --- A test ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.send_test)
        return [path("<int:object_id>/test/", view, name="tasks_alertrule_test"), *super().get_urls()]

    def send_test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send a test to the addresses of a rule, through the tasks that tell an alert."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        rule = get_object_or_404(AlertRule, pk=object_id)
        channels = trial.send(rule)
        if channels:
            text = gettext("A test is on its way: %(channels)s. The page of its alert shows the tasks.")
            messages.success(request, text % {"channels": ", ".join(channels)})
            self.log_change(request, rule, gettext("Sent a test."))
        else:
            messages.warning(
                request,
                gettext("There is no address. Name addresses or a webhook here, or in TASK_ALERT_EMAILS."),
            )
        return HttpResponseRedirect(reverse("admin:tasks_alertrule_change", args=[rule.pk]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        rule = kwargs.get("obj")
        if rule is not None and self.has_change_permission(request, rule):
            context["test_url"] = reverse("admin:tasks_alertrule_test", args=[rule.pk])
            context["test_button"] = theme.button(_("Send a test"), icon="send")
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    # --- Columns ---

    @admin.display(description=_("rule"), ordering="name")
    def rule(self, rule: AlertRule) -> SafeString:
        kind = str(rule.get_kind_display())
        return elements.named(rule.name, f"{kind}: {rule.scope}" if rule.scope else kind)

    @admin.display(description=_("state"))
    def state(self, rule: AlertRule) -> SafeString:
        name, kind = (_("On"), "success") if rule.enabled else (_("Off"), "default")
        return elements.label(name, kind=kind)

    @admin.display(description=_("threshold"))
    def threshold_in_words(self, rule: AlertRule) -> SafeString | str:
        if not rule.unit or rule.threshold is None:
            return elements.NOTHING
        words = value_in_words(rule.unit, rule.threshold)
        if rule.window_minutes:
            words = gettext("%(value)s in %(minutes)s min") % {"value": words, "minutes": rule.window_minutes}
        return elements.unbroken(words)

    @admin.display(description=_("starts and ends after"))
    def times(self, rule: AlertRule) -> SafeString:
        return elements.unbroken(
            gettext("%(hold)s s, %(clear)s s")
            % {"hold": elements.number(rule.hold_seconds), "clear": elements.number(rule.clear_seconds)}
        )

    @admin.display(description=_("told to"))
    def told_to(self, rule: AlertRule) -> SafeString | str:
        found = telling.recipients(rule)
        mail = found[0] if found else ""
        if len(found) > 1:
            mail = gettext("%(first)s and %(count)s more") % {"first": mail, "count": len(found) - 1}
        parts = [mail, gettext("webhook") if telling.webhook_of(rule) else ""]
        return ", ".join(filter(None, parts)) or gettext("nobody")

    @admin.display(description=_("origin"))
    def origin(self, rule: AlertRule) -> SafeString | str:
        if not rule.is_declared:
            return gettext("made here")
        return elements.label(gettext("changed"), kind="warning") if rule.is_changed else gettext("the code")

    @admin.display(description=_("runbook"))
    def runbook(self, rule: AlertRule) -> str:
        return places.runbook(rule.kind) or elements.NOTHING
