"""A relay's look at the rules: alerts are noticed, started and ended. Any number of relays may look at once.

An alert is a row. The index over open alerts lets one relay insert it, and guarded updates let one relay start it and
one end it. The news goes out with tasks that are recorded in the transaction of the start or the end.
"""

import logging
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from apps.tasks import own_queue
from apps.tasks.alerts import conditions, rules, sending, telling
from apps.tasks.alerts.conditions import Condition
from apps.tasks.alerts.facts import Facts
from apps.tasks.clock import ClockTimestamp
from apps.tasks.conf import conf
from apps.tasks.models import Alert, AlertRule
from apps.tasks.one_line import one_line

logger = logging.getLogger(__name__)

#: Seconds between two looks, about.
LOOK_SECONDS = 10.0
#: Seconds without a look after which a condition that has not started an alert is noticed anew: no relay has seen that
#: it went on.
GAP_SECONDS = 60.0

#: Rule and scope of an alert.
Key = tuple[int, str]


class News(NamedTuple):
    """Alerts that a look has started and ended.

    Parameters:
      can_be_told: Whether a worker can take the tasks that tell them.
    """

    started: list[int]
    ended: list[int]
    can_be_told: bool


def check() -> News:
    """Look at all rules once."""
    facts = Facts()
    chosen = [(rule, but) for rule, but in rules.enabled() if rule.pk is not None]
    # A name may have any characters, and more than the column.
    found: dict[Key, tuple[AlertRule, Condition]] = {
        (rule.pk, one.scope[:255]): (rule, one) for rule, but in chosen for one in conditions.of(facts, rule, but=but)
    }
    known = _open()
    if new := [key for key in found if key not in known]:
        _notice([found[key] for key in new])
        known = _open()
    is_held = own_queue.choose(facts.paused) in facts.paused.queues
    news = News([], [], can_be_told=bool(facts.workers) and not facts.servers_away and not is_held)
    enabled = {rule.pk for rule, _but in chosen}
    for key, alert in known.items():
        if key in found:
            if _go_on(alert, *found[key]):
                news.started.append(alert.pk)
        elif _pass(alert, is_watched=alert.rule_id in enabled):
            news.ended.append(alert.pk)
    if known:
        Alert.objects.filter(pk__in=[one.pk for one in known.values()]).open().update(checked_at=ClockTimestamp())
    return news


def forget() -> int:
    """Delete alerts that ended more than `TASK_KEEP_ALERTS_DAYS` ago. Return their number."""
    if not conf.TASK_KEEP_ALERTS_DAYS:
        return 0
    age = timedelta(days=conf.TASK_KEEP_ALERTS_DAYS)
    before = ClockTimestamp(offset_ms=-1000 * age.total_seconds())
    return Alert.objects.filter(ended_at__lt=before).delete()[0]


def _open() -> dict[Key, Any]:
    """Return the open alerts by rule and scope, those that have not started, too."""
    rows = Alert.objects.open().with_ages().select_related("rule").order_by()
    return {(row.rule_id, row.scope): row for row in rows}


def _notice(found: list[tuple[AlertRule, Condition]]) -> None:
    now = ClockTimestamp()
    Alert.objects.bulk_create(
        [
            Alert(rule=rule, kind=rule.kind, noticed_at=now, checked_at=now, scope=one.scope[:255], **_told(one))
            for rule, one in found
        ],
        ignore_conflicts=True,  # Another relay has noticed it.
    )


def _told(one: Condition) -> dict[str, Any]:
    return {"sentence": one.text, "remedy": one.remedy, "value": one.value, "worst": one.value}


def _go_on(alert: Any, rule: AlertRule, one: Condition) -> bool:
    """Follow an alert whose condition holds. Return whether it has started now."""
    row = Alert.objects.filter(pk=alert.pk, ended_at=None)
    now = ClockTimestamp()
    if alert.started_at is not None:
        new: dict[str, Any] = {}
        if alert.cleared_at is not None:
            new["cleared_at"] = None
        if one.value > alert.worst:
            new["worst"] = Greatest(F("worst"), one.value)
        if new:
            row.update(**new, updated_at=now)
        return False
    if alert.checked_seconds > GAP_SECONDS:
        row.filter(started_at=None).update(noticed_at=now, updated_at=now, **_told(one))
        return False
    return alert.noticed_seconds >= rule.hold_seconds and _start(alert, one)


def _start(alert: Alert, one: Condition) -> bool:
    now = ClockTimestamp()
    with transaction.atomic():
        row = Alert.objects.filter(pk=alert.pk, started_at=None, ended_at=None)
        if not row.update(started_at=now, updated_at=now, **_told(one)):
            return False  # Another relay was first.
        if not _go_on_silently(alert):
            sending.send(alert, telling.STARTED)
    logger.warning("alert started rule=%s scope=%s %s", *_names(alert), one.text)
    return True


def _go_on_silently(alert: Alert) -> bool:
    """Give an alert the silence of an earlier one of its rule and scope. Return whether there is one."""
    earlier = Alert.objects.filter(rule_id=alert.rule_id, scope=alert.scope).exclude(pk=alert.pk)
    columns = ("silenced_at", "silenced_until", "silenced_by_id", "silence_reason")
    silence = earlier.silenced().order_by("-silenced_until").values(*columns).first()
    if silence is not None:
        Alert.objects.filter(pk=alert.pk).update(**silence)
    return silence is not None


def _pass(alert: Any, *, is_watched: bool) -> bool:
    """Follow an alert whose condition does not hold. Return whether it has ended now.

    Parameters:
      is_watched: Whether its rule is looked at. Otherwise it ends at once, in silence.
    """
    row = Alert.objects.filter(pk=alert.pk, ended_at=None)
    if alert.started_at is None:
        row.filter(started_at=None).delete()
        return False
    now = ClockTimestamp()
    is_well_since = alert.cleared_seconds
    if is_watched and alert.rule.clear_seconds and (is_well_since or 0) < alert.rule.clear_seconds:
        if alert.cleared_at is None:
            row.update(cleared_at=now, updated_at=now)
        return False
    with transaction.atomic():
        if not row.update(ended_at=now, updated_at=now):
            return False  # Another relay was first.
        is_silent = Alert.objects.filter(pk=alert.pk).silenced().exists()
        if is_watched and not is_silent:
            sending.send(alert, telling.ENDED)
    logger.info("alert ended rule=%s scope=%s", *_names(alert))
    return True


def _names(alert: Alert) -> tuple[str, str]:
    return one_line(alert.rule.name if alert.rule is not None else "-"), one_line(alert.scope) or "-"
