"""Actions of people on schedules. Each one changes the locked row, since the scheduler may be firing it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dramatiq
from django.db import transaction

from apps.tasks import ledger
from apps.tasks.errors import CannotRunError
from apps.tasks.models import Schedule, ScheduleSlot
from apps.tasks.schedules import checking, clock, history

#: Fields that the slots depend on.
TIMES = {"cron", "interval_seconds", "time_zone", "start_at", "end_at", "jitter_seconds", "enabled"}


def make(schedule: Schedule) -> None:
    """Save a new schedule. Its slots begin now, or at its start."""
    begin(schedule, now=clock.now())
    schedule.save(force_insert=True)


def begin(schedule: Schedule, *, now: datetime) -> None:
    """Set the times of an unsaved schedule, so that its slots begin now."""
    schedule.anchor_at = schedule.start_at or now.replace(microsecond=0)
    schedule.decided_until = now
    schedule.plan()


def change(schedule: Schedule, values: dict[str, Any]) -> None:
    """Change fields of a schedule. Slots of the old time that are not fired by now count as missed."""
    with _locked(schedule) as row:
        names = {name for name, value in values.items() if getattr(row, name) != value}
        if names & TIMES:
            now = clock.now()
            history.close(row, now=now)
            if "enabled" in names and values["enabled"]:
                # A clock that was wrong may have moved the watermark months ahead.
                row.decided_until = now
        for name in names:
            setattr(row, name, values[name])
        if names & {"interval_seconds", "start_at"} and row.interval_seconds:
            row.anchor_at = row.start_at or clock.now().replace(microsecond=0)
        row.plan()
        row.save(update_fields=[*names, *history.CLOSED, "anchor_at", "next_at", "problem", "updated_at"])


def pause(schedule: Schedule) -> None:
    """Stop its slots until it is resumed."""
    change(schedule, {"enabled": False})


def resume(schedule: Schedule) -> None:
    """Start its slots again, from now on."""
    change(schedule, {"enabled": True})


def undo_override(schedule: Schedule) -> None:
    """Give a declared schedule the time of its declaration again."""
    if not schedule.is_declared:
        return
    change(schedule, {"cron": schedule.declared_cron, "interval_seconds": None, "time_zone": "UTC"})


def run_now(schedule: Schedule, *, owner_id: Any = None) -> str:
    """Send its task at once, beside its slots. Return the task's id.

    Parameters:
      owner_id: Primary key of the user who may see the task besides staff.

    Raises:
      CannotRunError: The actor is unknown or cannot be called with the schedule's arguments.
    """
    if message := checking.call_error(schedule):
        raise CannotRunError(message)
    broker: Any = dramatiq.get_broker()
    now = clock.now()
    actor = broker.get_actor(schedule.task_name)
    message = actor.message_with_options(kwargs=schedule.kwargs, owner_id=owner_id)
    sent = message.copy(options={"schedule": schedule.name})
    with transaction.atomic():
        # Another task may stand for it.
        sent = broker.enqueue(sent)
        history.write(
            [
                ScheduleSlot(
                    schedule=schedule,
                    # A slot of a cron text or an interval has no microseconds.
                    slot=now.replace(microsecond=max(now.microsecond, 1)),
                    first_slot=now,
                    outcome=ScheduleSlot.BY_HAND,
                    task_id=sent.message_id,
                    is_open=True,
                )
            ]
        )
    return str(sent.message_id)


def delete(schedule: Schedule) -> None:
    """Delete the schedule and its history, and cancel its tasks that wait for a previous run."""
    with transaction.atomic():
        Schedule.objects.select_for_update().get(pk=schedule.pk)
        for task_id in schedule.slots.filter(is_held=True).values_list("task_id", flat=True):
            ledger.cancel(task_id)
        schedule.delete()


@contextmanager
def _locked(schedule: Schedule) -> Iterator[Schedule]:
    """Lock the row and yield it as it is now. Afterwards refresh the given object."""
    with transaction.atomic():
        row = Schedule.objects.select_for_update().get(pk=schedule.pk)
        yield row
    schedule.refresh_from_db()
