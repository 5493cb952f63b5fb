"""What is wrong with a schedule, told before it is saved and wherever it is shown."""

import inspect
import types
import typing
from datetime import datetime
from typing import Any

import dramatiq
from django.db.models import BigIntegerField
from dramatiq import Actor

from apps.tasks import json_safe
from apps.tasks.errors import BadCronError, UnknownZoneError
from apps.tasks.models import Schedule
from apps.tasks.schedules import cron, declared, zones

#: Before and after these there are no time zones to speak of.
FIRST_YEAR, LAST_YEAR = 1970, 2200
#: What the column of a related object's id can hold.
SMALLEST_ID, LARGEST_ID = -BigIntegerField.MAX_BIGINT - 1, BigIntegerField.MAX_BIGINT
#: The types that JSON has, by which an argument is held against its annotation.
JSON_TYPES = (bool, int, float, str, list, dict, type(None))


def errors(schedule: Schedule) -> dict[str, str]:
    """What is wrong with it, by the name of the field."""
    found = time_errors(schedule)
    if message := unknown_actor(schedule.task_name):
        found["task_name"] = message
    elif message := argument_error(schedule):
        found["kwargs"] = message
    if not schedule.name.isprintable():
        found["name"] = f"The name is {schedule.name!r}, must be one line without control characters"
    elif not schedule.is_declared and schedule.name in declared.names():
        found["name"] = f"{schedule.name!r} is the name of a schedule that is declared in the code; choose another one"
    return found


def time_errors(schedule: Schedule) -> dict[str, str]:
    """What is wrong with when it comes, by the name of the field."""
    found = {}
    if schedule.cron:
        try:
            cron.parse(schedule.cron)
        except BadCronError as error:
            found["cron"] = str(error)
    if bool(schedule.cron) == bool(schedule.interval_seconds):
        found["cron"] = "There must be a cron text or an interval" + (", not both" if schedule.cron else "")
    try:
        zones.named(schedule.time_zone)
    except UnknownZoneError as error:
        found["time_zone"] = str(error)
    for field, timestamp in (("start_at", schedule.start_at), ("end_at", schedule.end_at)):
        if timestamp is not None and not FIRST_YEAR <= timestamp.year <= LAST_YEAR:
            found[field] = f"This is in the year {timestamp.year}, must be {FIRST_YEAR} to {LAST_YEAR}"
    if schedule.start_at and schedule.end_at and schedule.end_at <= schedule.start_at:
        found["end_at"] = "The end must be later than the start"
    return found


def never(schedule: Schedule, *, now: datetime) -> dict[str, str]:
    """A sentence, at its field, where a schedule that makes sense has no slot from now on."""
    if schedule.timing.next_after(now) is not None:
        return {}
    return {"end_at": "It never comes: there is no slot left before the end"}


def unknown_actor(name: str) -> str:
    """A sentence where no actor of that name is declared."""
    known = sorted(dramatiq.get_broker().actors)
    return "" if name in known else f"Unknown actor {name!r}, must be one of: {', '.join(known)}"


def argument_error(schedule: Schedule) -> str:
    """A sentence where the actor cannot be called with the schedule's arguments."""
    if not isinstance(schedule.kwargs, dict):
        return f'The arguments are {schedule.kwargs!r}, must be a JSON object such as {{}} or {{"name": 1}}'
    broker: Any = dramatiq.get_broker()
    actor = broker.get_actor(schedule.task_name)
    try:
        send = broker.send_of(actor.message_with_options(kwargs=schedule.kwargs))
    except (TypeError, ValueError) as error:
        return json_safe.clean_text(str(error))
    if send.related_object_id is not None and not SMALLEST_ID <= send.related_object_id <= LARGEST_ID:
        return f"The first argument of {schedule.task_name} is out of range for the id of a {send.related_object_type}"
    return _type_error(actor, schedule.kwargs)


def broken(schedule: Schedule) -> str:
    """A sentence where this process's code cannot fire the schedule, or its last slot could not be fired."""
    if schedule.is_declared and schedule.name not in declared.names():
        return "It is declared in the code no more."
    try:
        _ = schedule.timing
    except ValueError as error:
        return str(error)
    return call_error(schedule) or schedule.problem


def call_error(schedule: Schedule) -> str:
    """A sentence where its actor is unknown or cannot be called with its arguments."""
    return unknown_actor(schedule.task_name) or argument_error(schedule)


def _type_error(actor: Actor[..., Any], kwargs: dict[str, Any]) -> str:
    """A sentence where a value is of another type than the actor's annotation says, as far as JSON's types go."""
    try:
        hints = typing.get_type_hints(actor.fn)
    except (NameError, TypeError):
        return ""
    for name, value in kwargs.items():
        wanted = _json_types(hints.get(name, Any))
        if wanted and not _is_one_of(value, wanted):
            known = " or ".join("null" if kind is type(None) else kind.__name__ for kind in wanted)
            return f"The argument {name!r} of {actor.actor_name} is {value!r}, must be of type {known}"
    return ""


def _json_types(hint: Any) -> tuple[type, ...]:
    """The types that an annotation allows; none where it says something that JSON's types do not."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    found = tuple(typing.get_origin(part) or part for part in parts)
    return found if all(inspect.isclass(part) and part in JSON_TYPES for part in found) else ()


def _is_one_of(value: Any, wanted: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in wanted
    return isinstance(value, wanted) or (isinstance(value, int) and float in wanted)
