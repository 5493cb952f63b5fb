"""Trouble: what keeps tasks from running now, in sentences that say what to do.

It is what the rules of alerts are about. A condition is shown at once, and is an alert when it has lasted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.tasks import pauses
from apps.tasks.admin import elements
from apps.tasks.alerts import conditions, places, rules
from apps.tasks.alerts.facts import Facts
from apps.tasks.models import Alert
from apps.tasks.models import alert as kinds
from apps.tasks.one_line import OneLined, sentence

#: Conditions of each kind that have a sentence of their own, at most.
MOST = 5
#: Sentences for users who may not see the page of the thing, and so not its name, by kind.
NAMELESS = {
    kinds.STALLED: gettext_lazy("A worker lives and takes nothing."),
    kinds.SCHEDULE_LATE: gettext_lazy("A schedule is late."),
    kinds.SCHEDULE_BROKEN: gettext_lazy("A schedule is broken."),
    kinds.MISSED_SLOT: gettext_lazy("A schedule missed slots."),
    kinds.LIMIT_FULL: gettext_lazy("Tasks wait for a limit."),
}


@dataclass(frozen=True, kw_only=True)
class Trouble(OneLined):
    """A sentence about what is wrong, and one that says what to do. Names of others cannot turn or break them.

    Parameters:
      href: Page that shows it. Empty: there is none.
      since: Time since which the alert fires. None: it has not lasted long enough, or fires no more.
      alert_href: Page of the alert.
      is_silenced: Whether staff know of it.
      nameless: Sentence for a user who may not see that page. Empty: the same, without the link.
    """

    text: str
    remedy: str = ""
    href: str = ""
    since: datetime | None = None
    alert_href: str = ""
    is_silenced: bool = False
    nameless: Any = ""


def of(look: Facts) -> list[Trouble]:
    """Return the trouble: alerts that fire first, then what has not lasted yet. Silenced alerts come last."""
    firing = _firing()
    found = _no_relay(look)
    for rule, but in rules.enabled():
        for one in conditions.of(look, rule, but=but)[:MOST]:
            alert = firing.pop((rule.pk, one.scope[:255]), None)
            told = _about(alert) if alert is not None else {}
            # In the words and in the language of this page, with the values of now.
            told |= {"href": places.of(rule.kind, one.scope), "nameless": NAMELESS.get(rule.kind, "")}
            found.append(Trouble(text=one.text, remedy=one.remedy, **told))
    for (_rule, _scope), alert in firing.items():
        remedy = _("All is well now. It ends when this has lasted.") if alert.cleared_at else alert.remedy
        told = _about(alert) | {"href": places.of(alert.kind, alert.scope), "nameless": NAMELESS.get(alert.kind, "")}
        found.append(Trouble(text=alert.sentence, remedy=remedy, **told))
    found += _paused(look)
    return sorted(found, key=lambda one: (one.is_silenced, one.since is None))


def seen(found: Iterable[Trouble], *, closed: tuple[str, ...]) -> list[Trouble]:
    """Return the trouble as a user sees it. Names of what the user may not see are left out.

    Parameters:
      closed: Starts of the addresses that the user may not open.
    """
    shown: dict[Trouble, None] = {}
    for one in found:
        if one.href.startswith(closed):
            one = replace(one, href="")
            if one.nameless:
                one = Trouble(text=str(one.nameless), since=one.since, is_silenced=one.is_silenced)
        if one.alert_href.startswith(closed):
            one = replace(one, alert_href="")
        shown[one] = None
    return list(shown)


def _no_relay(look: Facts) -> list[Trouble]:
    """Return the trouble of which no rule can be: relays look at the rules."""
    if look.has_relay or not look.workers:
        return []
    return [
        Trouble(
            text=_("No relay lives: delayed tasks, automatic retries and limited tasks wait."),
            remedy=_("Start %(command)s.") % {"command": "manage.py runrelay"},
            href=reverse("admin:tasks_workerprocess_changelist"),
        )
    ]


def _paused(look: Facts) -> list[Trouble]:
    """Return the pauses: one that is forgotten keeps its tasks for ever."""
    found = []
    for kind, paused in ((pauses.QUEUE, look.paused.queues), (pauses.ACTOR, look.paused.actors)):
        for pause in list(paused.values())[:MOST]:
            page = "queues" if kind == pauses.QUEUE else "actors"
            texts = {pauses.QUEUE: _("The queue %(pause)s"), pauses.ACTOR: _("The actor %(pause)s")}
            waited = look.due[0].get(pause.name) if kind == pauses.QUEUE else None
            remedy = _("Its tasks wait until it is resumed.")
            if waited is not None:
                words = {"time": conditions.in_words(waited)}
                remedy = _("Its oldest task has waited for %(time)s.") % words + " " + remedy
            text = texts[kind] % {"pause": elements.pause_text(pause)}
            found.append(Trouble(text=sentence(text), remedy=remedy, href=reverse(f"admin:tasks_pause_{page}")))
    return found


def _firing() -> dict[tuple[int | None, str], Any]:
    """Return the alerts that fire, by rule and scope, the oldest first."""
    rows = Alert.objects.firing().with_silence().order_by("started_at")
    return {(row.rule_id, row.scope): row for row in rows}


def _about(alert: Any) -> dict[str, Any]:
    return {
        "since": alert.noticed_at,
        "alert_href": reverse("admin:tasks_alert_change", args=[alert.pk]),
        "is_silenced": alert.is_silent,
    }
