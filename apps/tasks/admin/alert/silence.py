"""Silences: an alert that staff know of is neither mailed nor posted for a time."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import audit, json_safe
from apps.tasks.admin import elements, theme
from apps.tasks.models import Alert

#: Hours of a silence that are offered.
HOURS = {1: _("1 hour"), 4: _("4 hours"), 24: _("1 day"), 168: _("7 days")}


class SilenceForm(forms.Form):
    """Length and reason of a silence."""

    hours = forms.TypedChoiceField(label=_("Silence for"), choices=list(HOURS.items()), coerce=int, initial=1)
    reason = forms.CharField(
        label=_("Why"), max_length=255, help_text=_("Your colleagues read it beside the alert."), strip=True
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            theme.dress(field)

    def clean_reason(self) -> str:
        return json_safe.clean_text(self.cleaned_data["reason"])


class SilenceMixin:
    """Adds the buttons and the pages of silences to the page of an alert."""

    admin_site: Any
    opts: Any
    media: Any
    has_view_permission: Any

    def has_silence_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may silence alerts. There is no form of an alert to change."""
        return bool(request.user.has_perm("tasks.change_alert"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:object_id>/silence/", view(self.silence_view), name="tasks_alert_silence"),
            path("<int:object_id>/unsilence/", view(self.unsilence_view), name="tasks_alert_unsilence"),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def silence_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        alert = self._alert(request, object_id)
        form = SilenceForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            until = timezone.now() + timedelta(hours=form.cleaned_data["hours"])
            alert.silenced_at, alert.silenced_until = timezone.now(), until
            alert.silenced_by_id, alert.silence_reason = request.user.pk, form.cleaned_data["reason"]
            until_text = timezone.localtime(until).strftime("%Y-%m-%d %H:%M")
            columns = ["silenced_at", "silenced_until", "silenced_by", "silence_reason", "updated_at"]
            with transaction.atomic():
                alert.save(update_fields=columns)
                _note(request, alert, value=gettext("until %(until)s") % {"until": until_text})
            messages.success(request, gettext("Nothing is told of it until %(until)s.") % {"until": until_text})
            return HttpResponseRedirect(_page(alert))
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Silence this alert?"),
            "opts": self.opts,
            "media": self.media,
            "alert": alert,
            "form": form,
            "no": theme.button(_("No, take me back"), href=_page(alert)),
            "yes": theme.button(_("Silence it"), icon="notifications_off", kind="primary"),
        }
        return TemplateResponse(request, "tasks/alert/silence.html", context)

    def unsilence_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        alert = self._alert(request, object_id)
        # Earlier alerts of the rule and scope, too: the next one would have their silence.
        of_rule = Alert.objects.filter(rule_id=alert.rule_id, scope=alert.scope)
        with transaction.atomic():
            if of_rule.silenced().update(silenced_until=timezone.now()):
                _note(request, alert, value=gettext("told again"))
        messages.success(request, gettext("It is told again when it ends or starts anew."))
        return HttpResponseRedirect(_page(alert))

    def _alert(self, request: HttpRequest, object_id: int) -> Alert:
        """Return the alert that the user is about to silence."""
        if not self.has_silence_permission(request):
            raise PermissionDenied
        return get_object_or_404(Alert.objects.started(), pk=object_id)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        alert = kwargs.get("obj")
        if alert is not None and self.has_silence_permission(request):
            silence = reverse("admin:tasks_alert_silence", args=[alert.pk])
            context["silence_button"] = theme.button(_("Silence"), href=silence, icon="notifications_off")
            if alert.is_silent:
                context["unsilence_url"] = reverse("admin:tasks_alert_unsilence", args=[alert.pk])
                context["unsilence_button"] = theme.button(_("Tell again"), icon="notifications_active")
        response: HttpResponse = super().render_change_form(request, context, **kwargs)  # type: ignore[misc]
        return response

    def silence(self, alert: Any) -> SafeString | str:
        if not alert.silenced_until:
            return elements.NOTHING
        who = alert.silenced_by.get_username() if alert.silenced_by is not None else gettext("a user who is gone")
        return format_html(
            gettext("{until}, by {user}: {reason}"),
            until=format_html(gettext("until {}"), elements.timestamp(alert.silenced_until, short=True)),
            user=who,
            reason=alert.silence_reason,
        )

    silence.short_description = _("silence")  # type: ignore[attr-defined]


def _note(request: HttpRequest, alert: Alert, *, value: str) -> None:
    by = audit.by_user(request.user, door=audit.ADMIN)
    reason = alert.silence_reason if alert.silenced_by_id == request.user.pk else ""
    audit.note("silence", by=by, target=f"alert:{alert.pk} {alert.sentence}", value=value, reason=reason)


def _page(alert: Alert) -> str:
    return reverse("admin:tasks_alert_change", args=[alert.pk])
