"""Checks of a schedule, before it is saved and wherever it is shown. Each returns sentences for people."""

from datetime import datetime
from typing import Any

import dramatiq
from django.utils.translation import gettext as _

from apps.tasks import json_safe, masking
from apps.tasks.errors import BadCronError, UnknownZoneError
from apps.tasks.models import Schedule
from apps.tasks.schedules import cron, declared, zones

#: Years that the tz database covers well.
FIRST_YEAR, LAST_YEAR = 1970, 2200


def errors(schedule: Schedule) -> dict[str, str]:
    """Return the errors of a schedule by the name of the field."""
    found = time_errors(schedule)
    if message := unknown_actor(schedule.task_name):
        found["task_name"] = message
    elif message := argument_error(schedule):
        found["kwargs"] = message
    if not schedule.name.isprintable():
        found["name"] = _("The name is %(name)r, must be one line without control characters") % {"name": schedule.name}
    elif not schedule.is_declared and schedule.name in declared.names():
        found["name"] = _("%(name)r is the name of a schedule that is declared in the code; choose another one") % {
            "name": schedule.name
        }
    return found


def time_errors(schedule: Schedule) -> dict[str, str]:
    """Return the errors of a schedule's time by the name of the field."""
    found = {}
    if schedule.cron:
        try:
            cron.parse(schedule.cron)
        except BadCronError as error:
            found["cron"] = str(error)
    if bool(schedule.cron) == bool(schedule.interval_seconds):
        found["cron"] = (
            _("There must be a cron text or an interval, not both")
            if schedule.cron
            else _("There must be a cron text or an interval")
        )
    try:
        zones.named(schedule.time_zone)
    except UnknownZoneError as error:
        found["time_zone"] = str(error)
    for field, timestamp in (("start_at", schedule.start_at), ("end_at", schedule.end_at)):
        if timestamp is not None and not FIRST_YEAR <= timestamp.year <= LAST_YEAR:
            found[field] = _("This is in the year %(year)s, must be %(first)s to %(last)s") % {
                "year": timestamp.year,
                "first": FIRST_YEAR,
                "last": LAST_YEAR,
            }
    if schedule.start_at and schedule.end_at and schedule.end_at <= schedule.start_at:
        found["end_at"] = _("The end must be later than the start")
    return found


def never(schedule: Schedule, *, now: datetime) -> dict[str, str]:
    """Return an error at its field if a valid schedule has no slot from now on."""
    if schedule.timing.next_after(now) is not None:
        return {}
    return {"end_at": _("It never comes: there is no slot left before the end")}


def unknown_actor(name: str) -> str:
    """Return an error if no actor of that name is declared, else an empty text."""
    known = sorted(dramatiq.get_broker().actors)
    if name in known:
        return ""
    return _("Unknown actor %(name)r, must be one of: %(known)s") % {"name": name, "known": ", ".join(known)}


def argument_error(schedule: Schedule) -> str:
    """Return an error if the actor cannot be called with the schedule's arguments, else an empty text."""
    if not isinstance(schedule.kwargs, dict):
        return _('The arguments are %(value)r, must be a JSON object such as {} or {"name": 1}') % {
            "value": masking.any_value(schedule.kwargs)
        }
    broker: Any = dramatiq.get_broker()
    actor = broker.get_actor(schedule.task_name)
    try:
        broker.send_of(actor.message_with_options(kwargs=schedule.kwargs))
    except (TypeError, ValueError) as error:
        return json_safe.clean_text(str(error))
    return ""


def broken(schedule: Schedule) -> str:
    """Return an error if this process's code cannot fire the schedule or could not fire its last slot."""
    if schedule.is_declared and schedule.name not in declared.names():
        return _("It is declared in the code no more.")
    try:
        schedule.timing  # noqa: B018 (raises)
    except ValueError as error:
        return str(error)
    return call_error(schedule) or schedule.problem


def call_error(schedule: Schedule) -> str:
    """Return an error if its actor is unknown or cannot be called with its arguments, else an empty text."""
    return unknown_actor(schedule.task_name) or argument_error(schedule)
