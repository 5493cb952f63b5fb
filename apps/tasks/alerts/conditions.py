"""Conditions: what is wrong in words, and what ends it. Rules are about them, and the page Now shows them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.tasks import duration, stalls
from apps.tasks.alerts.facts import Facts
from apps.tasks.limits import figures as limit_figures
from apps.tasks.models import AlertRule, WorkerProcess
from apps.tasks.models import alert as kinds
from apps.tasks.one_line import OneLined, one_line, sentence
from apps.tasks.schedules import checking, clock

#: Conditions of one rule that become alerts, at most: the worst ones. A storm must not become a storm of mails.
MOST = 20
#: Characters of an error that is the remedy, at most. Its page has all of it.
REMEDY_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class Condition(OneLined):
    """A thing that is wrong now.

    Parameters:
      scope: Name of the queue, actor, schedule, worker or server. Empty: there is one thing of the kind.
      value: Its value in the unit of its kind.
      text: A sentence about it.
      remedy: A sentence that says what to do.
    """

    text: str
    remedy: str = ""
    scope: str = ""
    value: float = 1.0


Found = Iterator[Condition]


def of(facts: Facts, rule: AlertRule, *, but: Collection[str] = ()) -> list[Condition]:
    """Return the conditions of a rule that hold now, the worst first.

    Parameters:
      but: Scopes that have rules of their own.
    """
    found = [one for one in FINDERS[rule.kind](facts, rule) if one.scope not in but]
    if rule.scope:
        found = [one for one in found if one.scope == rule.scope]
    return sorted(found, key=lambda one: -one.value)[:MOST]


# --- Processes and servers ---


def servers(facts: Facts, rule: AlertRule) -> Found:
    for name, error in facts.servers_away.items():
        yield Condition(
            scope=name,
            text=_("%(server)s does not answer (%(error)s): tasks are recorded and wait.")
            % {"server": name, "error": type(error).__name__},
            remedy=_("Start it. Nothing is lost: the relay publishes what waits."),
        )


def no_worker(facts: Facts, rule: AlertRule) -> Found:
    if not facts.workers:
        yield Condition(
            text=(
                _("No worker lives: tasks wait.") if facts.has_relay else _("No worker and no relay live: tasks wait.")
            ),
            remedy=_start("manage.py runworker"),
        )


def no_scheduler(facts: Facts, rule: AlertRule) -> Found:
    if not facts.has_scheduler and facts.needs_scheduler:
        yield Condition(text=_("No scheduler lives: schedules send nothing."), remedy=_start("manage.py runscheduler"))


def stalled(facts: Facts, rule: AlertRule) -> Found:
    for worker in stalls.stalled(facts.workers, facts.untaken, known=facts.known_queues):
        why = WorkerProcess.TROUBLES.get(worker.trouble)
        text = _("The worker %(worker)s lives and takes nothing.") % {"worker": worker}
        yield Condition(
            scope=str(worker.pk),
            text=f"{text} {why}." if why else text,
            remedy=_("Look at its log, then stop it with SIGTERM: its supervisor starts another."),
        )


# --- Queues and limits ---


def queue_untaken(facts: Facts, rule: AlertRule) -> Found:
    if not facts.workers:
        return
    if not facts.takers:
        text = _("All workers are quiet: they finish what they have, and all other tasks wait.")
        yield Condition(text=text, remedy=_("Let one work again, or start another."))
        return
    for name in sorted({*facts.known_queues, *facts.oldest} - facts.taken_queues - facts.paused.queues.keys()):
        waited = facts.oldest.get(name)
        text = _("No living worker takes the queue %(name)s.") % {"name": name}
        if waited is not None:
            text += " " + _("Its oldest task has waited for %(time)s.") % {"time": in_words(waited)}
        yield Condition(scope=name, text=text, remedy=_start(f"manage.py runworker --queues {name}"))


def oldest_due(facts: Facts, rule: AlertRule) -> Found:
    for name, waited in sorted(facts.oldest.items()):
        if name in facts.taken_queues and waited >= (rule.threshold or 0):
            yield Condition(
                scope=name,
                value=waited,
                text=_("The oldest task of the queue %(name)s has waited for %(time)s.")
                % {"name": name, "time": in_words(waited)},
                remedy=(
                    _("Its workers have free threads: look at their log.")
                    if facts.has_free_thread
                    else _("All threads are busy: wait, or start more workers.")
                ),
            )


def queue_full(facts: Facts, rule: AlertRule) -> Found:
    for name, percent in facts.fill.items():
        if percent >= (rule.threshold or 0):
            yield Condition(
                scope=name,
                value=percent,
                text=_("The queue %(name)s has %(percent)s %% of the waiting tasks that it takes.")
                % {"name": name, "percent": number(percent)},
                remedy=_("Beyond max_waiting sends are refused. Start more workers, or cancel what is not wanted."),
            )


def limit_full(facts: Facts, rule: AlertRule) -> Found:
    for name, waited in facts.in_line.items():
        limit = facts.limits.get(name)
        if limit is None:
            continue
        if limit.concurrency == 0:
            yield Condition(
                scope=name,
                value=waited,
                text=_("The limit of %(actor)s is 0: %(count)s of its tasks wait.")
                % {"actor": name, "count": number(limit_figures.of(limit).waiting)},
                remedy=_("Raise its limit to let them start."),
            )
        elif waited >= (rule.threshold or 0):
            yield Condition(
                scope=name,
                value=waited,
                text=_("A task of %(actor)s has waited for a place of its limit for %(time)s.")
                % {"actor": name, "time": in_words(waited)},
                remedy=_("Look at what holds its places, or raise its limit."),
            )


# --- Runs ---


def failures(facts: Facts, rule: AlertRule) -> Found:
    for name, runs in facts.runs(rule.window_minutes or 1).items():
        percent = 100.0 * runs.failed / runs.ended if runs.ended else 0.0
        if runs.failed and runs.ended >= (rule.least_runs or 1) and percent >= (rule.threshold or 0):
            yield Condition(
                scope=name,
                value=percent,
                text=_("%(failed)s of %(ended)s runs of %(actor)s failed in %(minutes)s min (%(percent)s %%).")
                % {
                    "failed": number(runs.failed),
                    "ended": number(runs.ended),
                    "actor": name,
                    "minutes": rule.window_minutes,
                    "percent": number(percent),
                },
                remedy=_("Look at why they fail. Retry them once it is mended."),
            )


def poison(facts: Facts, rule: AlertRule) -> Found:
    for name, count in facts.poison(rule.window_minutes or 60).items():
        if count >= (rule.threshold or 1):
            yield Condition(
                scope=name,
                value=count,
                text=ngettext(
                    "%(count)s task of %(actor)s killed its workers again and again, and failed.",
                    "%(count)s tasks of %(actor)s killed their workers again and again, and failed.",
                    count,
                )
                % {"count": number(count), "actor": name},
                remedy=_("Look at their memory and at the logs of the workers that died. Isolate the actor."),
            )


def slow_task(facts: Facts, rule: AlertRule) -> Found:
    told = set()
    for task in facts.running:
        times = task.seconds / task.usual if task.usual else 0.0
        if task.task_name not in told and task.runs >= (rule.least_runs or 1) and times >= (rule.threshold or 1):
            told.add(task.task_name)
            yield Condition(
                scope=task.task_name,
                value=times,
                text=_("A task of %(actor)s has run for %(time)s. 95 of 100 end within %(usual)s.")
                % {"actor": task.task_name, "time": in_words(task.seconds), "usual": in_words(task.usual)},
                remedy=_("Look at its stack, and cancel it if it hangs."),
            )


# --- Schedules ---


def schedule_broken(facts: Facts, rule: AlertRule) -> Found:
    for schedule in facts.schedules:
        if message := checking.broken(schedule):
            yield Condition(
                scope=schedule.name,
                text=_("The schedule %(name)s is broken.") % {"name": schedule.name},
                remedy=sentence(one_line(message, REMEDY_LENGTH)),  # It may list all actors.
            )


def schedule_late(facts: Facts, rule: AlertRule) -> Found:
    if not facts.has_scheduler:
        return
    now = clock.faster(timezone.now())
    for schedule in facts.schedules:
        if not schedule.enabled or schedule.next_at is None or checking.broken(schedule):
            continue
        late = (now - schedule.next_at).total_seconds()
        if late > (rule.threshold or 0):
            yield Condition(
                scope=schedule.name,
                value=late,
                text=_("The schedule %(name)s is late.") % {"name": schedule.name},
                remedy=_("No scheduler has sent its last slot. Is a scheduler running?"),
            )


def missed_slot(facts: Facts, rule: AlertRule) -> Found:
    for name, count in facts.missed(rule.window_minutes or 60).items():
        if count >= (rule.threshold or 1):
            yield Condition(
                scope=name,
                value=count,
                text=_("The schedule %(name)s missed slots lately: %(count)s.")
                % {"name": name, "count": number(count)},
                remedy=_("No scheduler ran at that time. Run it by hand if its work is wanted."),
            )


# --- Room ---


def disk_full(facts: Facts, rule: AlertRule) -> Found:
    for folder, percent in facts.disks.items():
        if percent >= (rule.threshold or 0):
            yield Condition(
                scope=folder,
                value=percent,
                text=_("The disk of the database is %(percent)s %% full: %(folder)s")
                % {"percent": number(percent), "folder": folder},
                remedy=_("Make room. On a full disk no task can be recorded."),
            )


def memory_full(facts: Facts, rule: AlertRule) -> Found:
    for name, percent in facts.memory.items():
        if percent >= (rule.threshold or 0):
            yield Condition(
                scope=name,
                value=percent,
                text=_("The memory of %(server)s is %(percent)s %% full.")
                % {"server": name, "percent": number(percent)},
                remedy=_("Raise its maxmemory, or start more workers so that fewer messages wait."),
            )


#: Finders of the conditions by kind, in the order in which they are shown.
FINDERS: dict[str, Callable[[Facts, AlertRule], Found]] = {
    kinds.SERVER_AWAY: servers,
    kinds.NO_WORKER: no_worker,
    kinds.NO_SCHEDULER: no_scheduler,
    kinds.STALLED: stalled,
    kinds.QUEUE_UNTAKEN: queue_untaken,
    kinds.OLDEST_DUE: oldest_due,
    kinds.QUEUE_FULL: queue_full,
    kinds.LIMIT_FULL: limit_full,
    kinds.FAILURES: failures,
    kinds.POISON: poison,
    kinds.SLOW_TASK: slow_task,
    kinds.SCHEDULE_BROKEN: schedule_broken,
    kinds.SCHEDULE_LATE: schedule_late,
    kinds.MISSED_SLOT: missed_slot,
    kinds.DISK_FULL: disk_full,
    kinds.MEMORY_FULL: memory_full,
}


def value_in_words(unit: str, value: float) -> str:
    """Return a value of a condition with its unit. Empty: its kind has none."""
    words: dict[str, Any] = {
        kinds.SECONDS: lambda: in_words(value),
        kinds.PERCENT: lambda: f"{number(value)} %",
        kinds.TASKS: lambda: ngettext("%(count)s task", "%(count)s tasks", int(value)) % {"count": number(value)},
        kinds.SLOTS: lambda: ngettext("%(count)s slot", "%(count)s slots", int(value)) % {"count": number(value)},
        kinds.TIMES: lambda: _("%(count)s times") % {"count": number_format(value, 1 if value % 1 else 0)},
    }
    return str(words[unit]()) if unit else ""


def number(value: float) -> str:
    """Return a whole number with thousands separators. 99.6 % is not 100 %."""
    return str(number_format(int(value), force_grouping=True))


def in_words(seconds: float) -> str:
    return duration.in_words(timedelta(seconds=seconds))


def _start(command: str) -> str:
    return _("Start %(command)s.") % {"command": command}
