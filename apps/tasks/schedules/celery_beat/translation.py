"""Make schedules of rows of django-celery-beat."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dramatiq
from django.utils.translation import gettext as _
from dramatiq import Actor

from apps.tasks import masking
from apps.tasks.errors import CannotImportError
from apps.tasks.models import Schedule
from apps.tasks.schedules import actions, checking
from apps.tasks.schedules.celery_beat import crontab
from apps.tasks.schedules.celery_beat.rows import BeatTask, timestamp_of

#: Seconds in the periods of an interval.
PERIOD_SECONDS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
#: Tasks that Celery needs for itself, and what does their work.
OWN = {"celery.backend_cleanup": _("the relay deletes old tasks by itself (TASK_KEEP_COMPLETED_DAYS)")}
SECOND = timedelta(seconds=1)

NEW, THERE, LEFT_OUT, REFUSED = "new", "there", "left out", "refused"


@dataclass(frozen=True, kw_only=True)
class Translated:
    """A row, and what becomes of it.

    Parameters:
      outcome: `new`, `there` (a schedule has the name), `left out` (nothing is lost), or `refused`.
      schedule: Unsaved. None: there is none to save.
      reason: Sentence about why there is none.
      notes: Sentences about what the schedule does not keep.
    """

    row: BeatTask
    outcome: str
    schedule: Schedule | None = None
    reason: str = ""
    notes: list[str] = field(default_factory=list)


def translated(row: BeatTask, *, names: Mapping[str, str], known: set[str], now: datetime) -> Translated:
    """Return the schedule of a row.

    Parameters:
      names: Names of actors by the names of Celery's tasks.
      known: Names of the schedules that are there.
    """
    if row.name in known:
        return Translated(row=row, outcome=THERE, reason=_("a schedule of this name is there; it stays as it is"))
    try:
        return _translated(row, names=names, now=now)
    except (ValueError, TypeError, OverflowError) as error:
        # Celery's tables take any text and any number, such as a time after the last year.
        told = f"{type(error).__name__}: {error}"
        return Translated(row=row, outcome=REFUSED, reason=_("Its time cannot be read: %(error)s") % {"error": told})


def _translated(row: BeatTask, *, names: Mapping[str, str], now: datetime) -> Translated:
    try:
        if reason := _is_over(row, now=now):
            return Translated(row=row, outcome=LEFT_OUT, reason=reason)
        schedule, notes = _schedule(row, names=names)
    except CannotImportError as error:
        return Translated(row=row, outcome=REFUSED, reason=str(error))
    if found := checking.errors(schedule):
        return Translated(row=row, outcome=REFUSED, reason="; ".join(found.values()))
    actions.begin(schedule, now=now)
    if schedule.interval_seconds and row.last_run_at and not row.start_time and row.last_run_at <= now:
        # An interval goes on from Celery's last run: one of a day keeps its hour.
        schedule.anchor_at = row.last_run_at.replace(microsecond=0)
        schedule.plan()
    if row.one_off and row.kind != "clocked":
        _end_after_one(schedule)
    if schedule.next_at is None:
        return Translated(row=row, outcome=LEFT_OUT, reason=schedule.problem or _("it has no time left"))
    return Translated(row=row, outcome=NEW, schedule=schedule, notes=notes)


def _is_over(row: BeatTask, *, now: datetime) -> str:
    """Return why a row has nothing left to do. Empty: it has."""
    if row.task in OWN:
        return str(OWN[row.task])
    if row.expires is not None and row.expires <= now:
        return _("it expired at %(at)s") % {"at": _iso(row.expires)}
    if row.kind == "clocked" and (row.last_run_at or _clocked(row) <= now):
        return _("its one time has passed: %(at)s") % {"at": _iso(_clocked(row))}
    if row.one_off and not row.enabled and row.last_run_at:
        return _("it was to run once, and ran at %(at)s") % {"at": _iso(row.last_run_at)}
    return ""


def _schedule(row: BeatTask, *, names: Mapping[str, str]) -> tuple[Schedule, list[str]]:
    actor = _actor(row, names)
    schedule = Schedule(
        name=row.name,
        task_name=actor.actor_name,
        kwargs=_kwargs(row, actor),
        enabled=row.enabled,
        start_at=row.start_time,
        end_at=row.expires,
    )
    match row.kind:
        case "crontab":
            schedule.cron = crontab.text_of(row.time)
            schedule.time_zone = str(row.time.get("timezone") or "UTC")
        case "interval":
            schedule.interval_seconds = _seconds(row.time)
        case "clocked":
            schedule.interval_seconds = PERIOD_SECONDS["days"]
            schedule.start_at = _clocked(row)
            schedule.end_at = schedule.start_at + SECOND
        case "solar":
            raise CannotImportError(
                _("It comes with the sun (%(event)s), and schedules follow the clock. Write a cron text for it")
                % {"event": row.time.get("event")}
            )
        case _:
            raise CannotImportError(_("It has no crontab, interval or time"))
    return schedule, _notes(row, actor)


def _actor(row: BeatTask, names: Mapping[str, str]) -> Actor[..., Any]:
    """Return the actor of a task: the mapped one, the one of the same name, or the one without `.tasks` in it."""
    broker = dramatiq.get_broker()
    for name in (names.get(row.task, row.task), row.task.replace(".tasks.", ".")):
        if name in broker.actors:
            return broker.get_actor(name)
        if row.task in names:
            break
    raise CannotImportError(
        _("No actor is called %(name)r. Name it with --map %(task)s=ACTOR; there are: %(known)s")
        % {"name": names.get(row.task, row.task), "task": row.task, "known": ", ".join(sorted(broker.actors))}
    )


def _kwargs(row: BeatTask, actor: Actor[..., Any]) -> dict[str, Any]:
    """Return all arguments by name. Celery's rows may have some by their places."""
    if not isinstance(row.args, list) or not isinstance(row.kwargs, dict):
        raise CannotImportError(
            _("Its arguments are %(args)r and %(kwargs)r, must be a JSON list and a JSON object")
            % {"args": masking.any_value(row.args), "kwargs": masking.any_value(row.kwargs)}
        )
    parameters = [
        one.name
        for one in inspect.signature(actor.fn).parameters.values()
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    if len(row.args) > len(parameters):
        raise CannotImportError(
            _("It has %(count)s arguments without a name, and %(actor)s takes: %(known)s")
            % {"count": len(row.args), "actor": actor.actor_name, "known": ", ".join(parameters) or _("none")}
        )
    by_place = dict(zip(parameters, row.args, strict=False))
    if twice := sorted(by_place.keys() & row.kwargs.keys()):
        raise CannotImportError(_("It has two values for %(names)s") % {"names": ", ".join(twice)})
    return {**by_place, **row.kwargs}


def _seconds(columns: dict[str, Any]) -> int:
    every, period = columns.get("every"), columns.get("period")
    microseconds = PERIOD_SECONDS[period] * 1_000_000 if period in PERIOD_SECONDS else 1
    if period not in (*PERIOD_SECONDS, "microseconds") or not isinstance(every, int) or every < 1:
        raise CannotImportError(_("It comes every %(every)r %(period)r") % {"every": every, "period": period})
    seconds, rest = divmod(every * microseconds, 1_000_000)
    if rest:
        raise CannotImportError(
            _("It comes every %(every)s microseconds, and an interval is a whole number of seconds") % {"every": every}
        )
    return seconds


def _clocked(row: BeatTask) -> datetime:
    found = timestamp_of(row.time.get("clocked_time"))
    if found is None:
        raise CannotImportError(_("It has no crontab, interval or time"))
    return found


def _end_after_one(schedule: Schedule) -> None:
    """Let a schedule have its next slot and no other."""
    slot = schedule.timing.next_after(schedule.decided_until)
    if slot is not None:
        schedule.end_at = slot + SECOND
        schedule.plan()


def _notes(row: BeatTask, actor: Actor[..., Any]) -> list[str]:
    notes = []
    for name in ("queue", "routing_key", "exchange"):
        if row.rest.get(name) not in (None, "", actor.queue_name):
            notes.append(
                _("it runs on the actor's queue %(queue)r, not on the %(name)s %(value)r")
                % {"queue": actor.queue_name, "name": name, "value": row.rest[name]}
            )
    if seconds := row.rest.get("expire_seconds"):
        notes.append(
            _("expire_seconds is left out: write expires=timedelta(seconds=%(seconds)s) at the actor")
            % {"seconds": seconds}
        )
    if row.rest.get("priority") is not None:
        notes.append(_("priority %(value)s is left out: write it at the actor") % {"value": row.rest["priority"]})
    if row.rest.get("headers"):
        notes.append(_("its headers are left out"))
    return notes


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
