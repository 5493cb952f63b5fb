"""The form of a rule. It shows each error at its field, with the value and the right ones."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks.alerts import rules, validity
from apps.tasks.models import AlertRule


class RuleForm(forms.ModelForm):
    """A rule. Which numbers it needs depends on its condition."""

    class Meta:
        model = AlertRule
        fields = (
            "name", "kind", "scope", "threshold", "window_minutes", "least_runs", "hold_seconds", "clear_seconds",
            "enabled", "mail_to", "webhook",
        )  # fmt: skip
        labels = {
            "hold_seconds": _("Starts after (seconds)"),
            "clear_seconds": _("Ends after (seconds)"),
            "window_minutes": _("Window (minutes)"),
        }
        help_texts = {
            "name": _("Name in alerts and mails."),
            "kind": "",
            "scope": _("A queue, actor or schedule. Empty: all of them that have no rule of their own."),
            "threshold": _("Least value that counts: seconds, percent, tasks, slots, or a multiple of the usual time."),
            "window_minutes": _("For failures, poison and missed slots: minutes to look back."),
            "least_runs": _("For failures and slow tasks: fewer runs say nothing."),
            "hold_seconds": _("The condition must hold for this time."),
            "clear_seconds": _("All must be well for this time."),
            "enabled": "",
            "mail_to": _("Addresses, separated by commas or lines. Empty: those of TASK_ALERT_EMAILS, or of ADMINS."),
            "webhook": _("An address such as https://hooks.example.com/tasks. Empty: that of TASK_ALERT_WEBHOOK."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (threshold := self.initial.get("threshold")) is not None and threshold % 1 == 0:
            self.initial["threshold"] = int(threshold)
        if "mail_to" in self.fields:
            self.fields["mail_to"].widget.attrs["rows"] = 3

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        rule = self.instance
        kind = cleaned.get("kind", rule.kind)
        for name, message in validity.errors({"kind": kind, "scope": rule.scope, **cleaned}).items():
            if name not in self.errors:
                self.add_error(name if name in self.fields else None, message)
        name = cleaned.get("name", "")
        if name in rules.NAMES.values() and not rule.is_declared:
            self.add_error(
                "name", gettext("%(name)r is the name of a declared rule; choose another one") % {"name": name}
            )
        return cleaned
