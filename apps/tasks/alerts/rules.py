"""Rules: those that are declared here, and their rows."""

from collections import defaultdict
from typing import Any

from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import AlertRule
from apps.tasks.models import alert as kinds

#: Columns that a declaration sets.
DECLARED: dict[str, dict[str, Any]] = {
    kinds.SERVER_AWAY: {"hold_seconds": 30, "clear_seconds": 30},
    kinds.NO_WORKER: {"hold_seconds": 60, "clear_seconds": 30},
    kinds.NO_SCHEDULER: {"hold_seconds": 120, "clear_seconds": 30},
    kinds.QUEUE_UNTAKEN: {"hold_seconds": 120},
    kinds.STALLED: {},
    kinds.OLDEST_DUE: {"threshold": 60, "hold_seconds": 300},
    kinds.QUEUE_FULL: {"threshold": 90, "clear_seconds": 300},
    kinds.LIMIT_FULL: {"threshold": 600},
    kinds.FAILURES: {"threshold": 20, "window_minutes": 10, "least_runs": 20, "clear_seconds": 300},
    kinds.POISON: {"threshold": 1, "window_minutes": 60, "hold_seconds": 0, "clear_seconds": 0},
    kinds.SLOW_TASK: {"threshold": 5, "least_runs": 20},
    kinds.SCHEDULE_BROKEN: {"hold_seconds": 120},
    kinds.SCHEDULE_LATE: {"threshold": 60, "hold_seconds": 120},
    kinds.MISSED_SLOT: {"threshold": 1, "window_minutes": 60, "hold_seconds": 0, "clear_seconds": 0},
    kinds.DISK_FULL: {"threshold": 90, "clear_seconds": 300},
    kinds.MEMORY_FULL: {"threshold": 90, "clear_seconds": 300},
}
#: Names of the declared rules. They are not translated: a name is the key of a row.
NAMES = {
    kinds.SERVER_AWAY: "Server away",
    kinds.NO_WORKER: "No worker",
    kinds.NO_SCHEDULER: "No scheduler",
    kinds.QUEUE_UNTAKEN: "Queue without a worker",
    kinds.STALLED: "Stalled worker",
    kinds.OLDEST_DUE: "Long wait",
    kinds.QUEUE_FULL: "Full queue",
    kinds.LIMIT_FULL: "Full limit",
    kinds.FAILURES: "Many failures",
    kinds.POISON: "Poison",
    kinds.SLOW_TASK: "Slow task",
    kinds.SCHEDULE_BROKEN: "Broken schedule",
    kinds.SCHEDULE_LATE: "Late schedule",
    kinds.MISSED_SLOT: "Missed slots",
    kinds.DISK_FULL: "Full disk",
    kinds.MEMORY_FULL: "Full memory",
}


def declared() -> list[AlertRule]:
    """Return the declared rules as rows that are not stored."""
    return [AlertRule(kind=kind, name=NAMES[kind], is_declared=True, **values) for kind, values in DECLARED.items()]


def update() -> None:
    """Store the declared rules. One that staff have changed stays as it is, one of theirs with its name, too."""
    known = {rule.name: rule for rule in AlertRule.objects.filter(name__in=NAMES.values())}
    for rule in declared():
        stored = known.get(rule.name)
        if stored is None:
            values = {"kind": rule.kind, "is_declared": True, **DECLARED[rule.kind]}
            AlertRule.objects.get_or_create(name=rule.name, defaults=values)
            continue
        new = _declared_values(rule)
        if stored.is_declared and not stored.is_changed and new != _declared_values(stored):
            # Unless staff have changed it meanwhile.
            AlertRule.objects.filter(pk=stored.pk, is_changed=False).update(**new, updated_at=ClockTimestamp())


def _declared_values(rule: AlertRule) -> dict[str, Any]:
    names = ("kind", "threshold", "window_minutes", "least_runs", "hold_seconds", "clear_seconds")
    return {name: getattr(rule, name) for name in names}


def enabled() -> list[tuple[AlertRule, set[str]]]:
    """Return the rules that are looked at, each with the scopes that have rules of their own, those off, too.

    Before any relay has stored them, the declared ones are returned as they are.
    """
    stored = list(AlertRule.objects.all())
    own: defaultdict[str, set[str]] = defaultdict(set)
    for rule in stored:
        if rule.scope:
            own[rule.kind].add(rule.scope)
    known = {rule.name for rule in stored}
    every = [*stored, *(rule for rule in declared() if rule.name not in known)]
    order = list(DECLARED)
    every.sort(key=lambda rule: (order.index(rule.kind) if rule.kind in order else len(order), rule.name))
    return [(rule, set() if rule.scope else own[rule.kind]) for rule in every if rule.enabled and rule.kind in order]
