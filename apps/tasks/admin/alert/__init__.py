"""Pages of alerts and of their rules."""

from apps.tasks.admin.alert.alert import AlertAdmin
from apps.tasks.admin.alert.rule import AlertRuleAdmin

__all__ = ["AlertAdmin", "AlertRuleAdmin"]
