"""Checks of a rule before it is saved. Each returns sentences for people, with the value and the right ones."""

import math
from collections.abc import Collection
from typing import Any

import dramatiq
from django.utils.translation import gettext as _

from apps.tasks.alerts import addresses, webhook
from apps.tasks.models import Schedule
from apps.tasks.models import alert as kinds
from apps.tasks.queues import did_you_mean

#: Right thresholds of each unit: the least and the largest.
SPANS = {
    kinds.SECONDS: (1, kinds.MOST_SECONDS),
    kinds.PERCENT: (1, 100),
    kinds.TASKS: (1, 1_000_000),
    kinds.SLOTS: (1, 1_000_000),
    kinds.TIMES: (1.1, 1_000),
}
#: Known names that an error lists, at most.
MOST_NAMED = 12


def errors(values: dict[str, Any]) -> dict[str, str]:
    """Return the errors of a rule's values by the name of the column."""
    kind = values["kind"]
    found = {
        "threshold": _threshold_error(kind, values.get("threshold")),
        "window_minutes": _window_error(kind, values.get("window_minutes")),
        "least_runs": _least_runs_error(kind, values.get("least_runs")),
        "scope": _scope_error(kind, values.get("scope", "")),
        "mail_to": _mail_error(values.get("mail_to", "")),
        "webhook": _webhook_error(values.get("webhook", "")),
        "name": _name_error(values.get("name", "")),
    }
    return {name: message for name, message in found.items() if message}


def _threshold_error(kind: str, value: float | None) -> str:
    unit = kinds.UNIT_OF.get(kind)
    title = kinds.KINDS.get(kind, kind)
    if unit is None:
        return _("%(kind)s: it has no threshold, leave it empty") % {"kind": title} if value is not None else ""
    least, most = SPANS[unit]
    if value is None or not math.isfinite(value) or not least <= value <= most:
        return _("It is %(value)s, must be %(least)s to %(most)s %(unit)s") % {
            "value": _("empty") if value is None else value,
            "least": least,
            "most": f"{most:,}",
            "unit": kinds.UNITS[unit],
        }
    return ""


def _window_error(kind: str, value: int | None) -> str:
    most = kinds.MOST_SECONDS // 60
    if kind not in kinds.WITH_WINDOW:
        return _("This condition does not look back, leave it empty") if value is not None else ""
    if value is None or not 1 <= value <= most:
        words = {"value": _("empty") if value is None else value, "most": f"{most:,}"}
        return _("It is %(value)s, must be 1 to %(most)s minutes") % words
    return ""


def _least_runs_error(kind: str, value: int | None) -> str:
    if kind in (kinds.FAILURES, kinds.SLOW_TASK):
        return "" if value else _("It must be at least 1: of a few runs a percentage says nothing")
    return _("This condition counts no runs, leave it empty") if value is not None else ""


def _scope_error(kind: str, scope: str) -> str:
    if not scope:
        return ""
    broker = dramatiq.get_broker()
    if kind in kinds.BY_QUEUE:
        return _unknown(scope, _("queue"), broker.get_declared_queues())
    if kind in kinds.BY_ACTOR:
        return _unknown(scope, _("actor"), broker.get_declared_actors())
    if kind in kinds.BY_SCHEDULE:
        return _unknown(scope, _("schedule"), list(Schedule.objects.values_list("name", flat=True)))
    return _("This condition is about no queue, actor or schedule, leave it empty")


def _unknown(name: str, what: str, known: Collection[str]) -> str:
    if name in known:
        return ""
    named = ", ".join(sorted(known)[:MOST_NAMED]) + (", ..." if len(known) > MOST_NAMED else "")
    text = _("Unknown %(what)s %(name)r, must be one of: %(known)s") % {"what": what, "name": name, "known": named}
    return text + did_you_mean(name, known)


def _mail_error(text: str) -> str:
    wrong = addresses.wrong(addresses.split(text))
    if not wrong:
        return ""
    return _("%(address)r is no address, must be such as ops@example.com") % {"address": wrong[0]}


def _webhook_error(url: str) -> str:
    return webhook.why_wrong(url) if url else ""


def _name_error(name: str) -> str:
    if name.isprintable():
        return ""
    return _("The name is %(name)r, must be one line without control characters") % {"name": name}
