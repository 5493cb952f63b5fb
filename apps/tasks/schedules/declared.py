"""Schedules that are declared on actors, with `periodic=cron(...)`."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dramatiq
from django.conf import settings
from django.db import transaction
from dramatiq import Actor

from apps.tasks.models import Schedule
from apps.tasks.schedules import clock, history


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The schedule in an actor's declaration.

    Parameters:
      cron: Text given to Periodiq's `cron()`.
      where: File and line.
    """

    name: str
    cron: str
    kwargs: dict[str, Any]
    where: str


def declarations() -> dict[str, Declaration]:
    """Return the declared schedules of this process's code by name, which is that of the actor."""
    return {
        name: Declaration(name=name, cron=text, kwargs=actor.options.get("periodic_kwargs") or {}, where=where(actor))
        for name, actor in sorted(dramatiq.get_broker().actors.items())
        if (text := cron_text(actor))
    }


def names() -> list[str]:
    """Return the names of the declared schedules."""
    return [name for name, actor in dramatiq.get_broker().actors.items() if cron_text(actor)]


def cron_text(actor: Actor[..., Any]) -> str:
    """Return the cron text in the actor's declaration, or an empty text."""
    spec = actor.options.get("periodic")
    return "" if spec is None else str(spec.parsed_from or spec)


def where(actor: Actor[..., Any]) -> str:
    """Return file and line of the actor."""
    function = inspect.unwrap(actor.fn)
    # A class-based actor is an object that can be called.
    source = function if inspect.isroutine(function) else type(function)
    path = Path(inspect.getsourcefile(source) or function.__module__)
    base = getattr(settings, "BASE_DIR", "/")
    if path.is_relative_to(base):
        path = path.relative_to(base)
    code = getattr(function, "__code__", None)
    return f"{path}:{code.co_firstlineno}" if code else str(path)


def make_missing() -> None:
    """Make the rows of declared schedules that have none yet. They have no slots before now."""
    found = declarations()
    missing = found.keys() - set(Schedule.objects.filter(name__in=found).values_list("name", flat=True))
    if missing:
        now = clock.now()
        Schedule.objects.bulk_create(
            [_row(found[name], now) for name in sorted(missing)],
            ignore_conflicts=True,  # Another process may do the same.
        )


def update() -> None:
    """Copy the declarations to the rows. Changes made in the admin stay: the time, and whether it is paused.

    A scheduler does this when it starts. Other processes may run older code for a while and only make missing rows.
    """
    make_missing()
    found = declarations()
    for pk in Schedule.objects.filter(name__in=found).values_list("pk", flat=True):
        with transaction.atomic():
            schedule = Schedule.objects.select_for_update().get(pk=pk)
            follow(schedule, found)


def follow(schedule: Schedule, found: Mapping[str, Declaration]) -> None:
    """Copy a declaration to its locked row."""
    declaration = found[schedule.name]
    new: dict[str, Any] = {
        "task_name": declaration.name,
        "kwargs": declaration.kwargs,
        "declared_cron": declaration.cron,
        "declared_in": declaration.where,
    }
    is_new_time = not schedule.is_overridden and schedule.cron != declaration.cron
    if is_new_time:
        new |= {"cron": declaration.cron, "interval_seconds": None, "time_zone": "UTC"}
    changed = [name for name, value in new.items() if getattr(schedule, name) != value]
    if not changed:
        return
    if is_new_time:
        # Slots up to now belong to the old time.
        history.close(schedule, now=clock.now())
        changed += history.CLOSED
    for name, value in new.items():
        setattr(schedule, name, value)
    schedule.plan()
    schedule.save(update_fields=[*changed, "next_at", "problem", "updated_at"])


def _row(declaration: Declaration, now: Any) -> Schedule:
    schedule = Schedule(
        name=declaration.name,
        task_name=declaration.name,
        kwargs=declaration.kwargs,
        cron=declaration.cron,
        declared_cron=declaration.cron,
        declared_in=declaration.where,
        anchor_at=now,
        decided_until=now,
    )
    schedule.plan()
    return schedule
