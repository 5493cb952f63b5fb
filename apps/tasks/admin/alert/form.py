"""The form of a rule. It shows each error at its field, with the value and the right ones."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _

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

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        rule = self.instance
        kind = cleaned.get("kind", rule.kind)
        for name, message in validity.errors({"kind": kind, "scope": rule.scope, **cleaned}).items():
            if name not in self.errors:
                self.add_error(name if name in self.fields else None, message)
        name = cleaned.get("name", "")
        if name in rules.NAMES.values() and not rule.is_declared:
            self.add_error("name", _("%(name)r is the name of a declared rule; choose another one") % {"name": name})
        return cleaned
