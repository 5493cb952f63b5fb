"""Firing: the slots that have come become tasks, each once, with any number of schedulers.

One transaction locks the rows of due schedules, decides their slots, moves the watermark and inserts the rows of slots
and tasks. Another scheduler skips locked rows and finds them decided afterwards. As a second line of defence the row of
a slot is unique, and its task's id is derived from it.
"""

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, Min, OuterRef
from django.utils.translation import gettext as _
from dramatiq import Message

from apps.tasks import ledger, masking
from apps.tasks.errors import LockedError
from apps.tasks.models import Schedule, ScheduleQuerySet, ScheduleSlot, TaskStatus
from apps.tasks.schedules import clock, declared, history
from apps.tasks.schedules.policy import SKIP_OVERLAP, Decision, decide

logger = logging.getLogger(__name__)

#: Namespace of the task ids of slots.
SLOTS = uuid.UUID("6f1f4a55-0c39-4d5c-9f0e-2d6a8c0e7a11")
#: Number of schedules to fire in one transaction.
PAGE = 100
#: Pause before a schedule that could not be fired is tried again.
TROUBLE = timedelta(seconds=60)
#: Columns that a decision changes.
DECIDED = ["decided_until", "next_at", "missed_count", "problem"]
#: Delay of a held task, in milliseconds. `start_held` ends it when the previous run is done.
HOLD_MS = 365 * 24 * 3_600 * 1_000


@dataclass(frozen=True, kw_only=True)
class Sending:
    """A message of a slot.

    Parameters:
      held: Whether it waits until the previous run is done.
    """

    message: Message[Any]
    held: bool


def alive() -> ScheduleQuerySet:
    """Return the schedules that this process may fire: enabled, and in its code.

    Schedules of newer or older code are left to the schedulers that run it.
    """
    return Schedule.objects.alive(actors=dramatiq.get_broker().actors, declared=declared.names())


def fire_due() -> int:
    """Send the tasks of all slots that have come. Return their number."""
    sent = 0
    while True:
        now = clock.now()
        due = alive().due(now)
        # A query without locks first: mostly nothing is due.
        pks = list(due.order_by("next_at").values_list("pk", flat=True)[:PAGE])
        if not pks:
            return sent
        try:
            found, decided = _fire(pks, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # An unexpected error of one schedule must not stop the others, nor the locked key of one.
            found, decided = _fire_one_by_one(pks, now)
        sent += found
        if not decided:
            return sent  # Another scheduler has locked them, or senders their keys.


def earliest() -> datetime | None:
    """Return when the next slot of any schedule is to be fired. If that has passed, another scheduler is firing it."""
    found: datetime | None = alive().aggregate(at=Min("next_at"))["at"]
    return found


def _fire_one_by_one(pks: Iterable[int], now: datetime) -> tuple[int, int]:
    sent = decided = 0
    for pk in pks:
        try:
            found, taken = _fire([pk], now)
        except (OperationalError, InterfaceError):
            raise
        except LockedError:
            # A sender keeps its key for long. The slot stays due.
            found, taken = 0, 0
        except Exception as error:
            logger.exception("schedule failed id=%s", pk)
            text = "".join(char for char in f"{type(error).__name__}: {error}" if char.isprintable())
            found, taken = 0, Schedule.objects.filter(pk=pk).update(problem=text, next_at=now + TROUBLE)
        sent, decided = sent + found, decided + taken
    return sent, decided


def _fire(pks: Iterable[int], now: datetime) -> tuple[int, int]:
    """Decide the slots of these schedules, except those that another scheduler has locked.

    Returns:
      The number of tasks that were sent, and of schedules that were taken.
    """
    with ledger.patience():
        schedules = list(
            alive()
            .due(now)
            .filter(pk__in=pks)
            .order_by("pk")
            .select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked, no_key=True)
        )
        running = _running(schedules)
        rows: list[ScheduleSlot] = []
        sendings: list[Sending] = []
        for schedule in schedules:
            was = schedule.problem
            try:
                decision = decide(schedule.timing, schedule.policy, decided_until=schedule.decided_until, now=now)
                slots, messages = _carry_out(schedule, decision, is_running=schedule.pk in running)
            except (ValueError, TypeError, dramatiq.errors.ActorNotFound) as error:
                schedule.problem = str(error)
                schedule.next_at = now + TROUBLE
                if schedule.problem != was:
                    logger.error("schedule cannot be fired name=%r problem=%s", schedule.name, error)
                continue
            schedule.problem = ""
            schedule.decided_until, schedule.next_at = decision.decided_until, decision.next_at
            rows += slots
            sendings += messages
        # The rows exist and are locked. `bulk_update` would take longer than everything else together.
        Schedule.objects.bulk_create(schedules, update_conflicts=True, unique_fields=["id"], update_fields=DECIDED)
        known = _send(sendings)
        for row in rows:
            if row.task_id in known:
                # Another task stands for that of the slot.
                row.task_id, row.is_held = known[row.task_id], False
        history.write(rows)
    for row in rows:
        logger.info(
            "slot %s schedule=%r slot=%s count=%s id=%s",
            row.outcome, row.schedule.name, iso(row.slot), row.count, row.task_id,
        )  # fmt: skip
    return len(sendings), len(schedules)


def _carry_out(schedule: Schedule, decision: Decision, *, is_running: bool) -> tuple[list[ScheduleSlot], list[Sending]]:
    """Return the rows and the messages of a decision.

    Raises:
      ActorNotFound, TypeError, ValueError: The actor is unknown or cannot be called with these arguments.
    """
    rows: list[ScheduleSlot] = []
    sendings: list[Sending] = []
    for slot in decision.fire:
        if is_running and schedule.overlap == SKIP_OVERLAP:
            rows.append(ScheduleSlot(schedule=schedule, slot=slot, first_slot=slot, outcome=ScheduleSlot.SKIPPED))
            continue
        message = checked(schedule, slot=slot, delay=HOLD_MS if is_running else None)
        rows.append(
            ScheduleSlot(
                schedule=schedule,
                slot=slot,
                first_slot=slot,
                outcome=ScheduleSlot.FIRED,
                task_id=message.message_id,
                is_open=True,
                is_held=is_running,
            )
        )
        sendings.append(Sending(message=message, held=is_running))
        is_running = True
    if decision.missed is not None:
        rows.append(history.missed(schedule, decision.missed))
    return rows, sendings


def checked(schedule: Schedule, *, slot: datetime, delay: int | None = None) -> Message[Any]:
    """Return the message of a slot. Its options carry the schedule's name and the slot.

    Raises:
      ActorNotFound: No actor of that name is declared.
      TypeError, ValueError: The actor cannot be called with the schedule's arguments.
    """
    broker: Any = dramatiq.get_broker()
    actor = broker.get_actor(schedule.task_name)
    if not isinstance(schedule.kwargs, dict):
        raise TypeError(
            _("The arguments are %(value)r, must be a JSON object") % {"value": masking.any_value(schedule.kwargs)}
        )
    message: Message[Any] = actor.message_with_options(kwargs=schedule.kwargs).copy(
        message_id=str(uuid.uuid5(SLOTS, f"{schedule.pk} {slot.isoformat()}")),
        options={"schedule": schedule.name, "slot": iso(slot)},
    )
    broker.send_of(message, delay=delay)
    return message


def _send(sendings: Iterable[Sending]) -> dict[str, str]:
    """Send the messages. Return those for which another task stands: its id, by theirs."""
    sendings = list(sendings)
    broker: Any = dramatiq.get_broker()
    at_once = [sending.message for sending in sendings if not sending.held]
    held = [sending.message for sending in sendings if sending.held]
    sent = broker.send_many(at_once) if at_once else []
    sent += [broker.enqueue(message, delay=HOLD_MS) for message in held]
    pairs = zip(at_once + held, sent, strict=True)
    return {given.message_id: found.message_id for given, found in pairs if given.message_id != found.message_id}


def iso(timestamp: datetime) -> str:
    """Return a timestamp such as `2026-11-30T07:00:00Z`."""
    return timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- The previous run ----------------------------------------------------------------------------


def _running(schedules: Iterable[Schedule]) -> set[int]:
    """Return the keys of the schedules that have an unfinished task. Close the slots of tasks that have ended."""
    rows = ScheduleSlot.objects.filter(schedule__in=list(schedules)).order_by()
    # Thousands of tasks may be held. One is enough to know.
    waiting = set(rows.filter(is_held=True).values_list("schedule_id", flat=True).distinct())
    slots = list(rows.filter(is_open=True, is_held=False).exclude(schedule__in=waiting))
    done = _close_done(slots)
    return waiting | {slot.schedule_id for slot in slots if slot.pk not in done}


def _close_done(slots: Iterable[ScheduleSlot]) -> set[int]:
    """Close the slots whose tasks have ended or were deleted. Return their keys."""
    slots = list(slots)
    ids = [slot.task_id for slot in slots]
    unfinished = set(
        TaskStatus.objects.unfinished().filter(task_id__in=ids).order_by().values_list("task_id", flat=True)
    )
    done = {slot.pk for slot in slots if slot.task_id not in unfinished}
    if done:
        ScheduleSlot.objects.filter(pk__in=done).update(is_open=False, is_held=False)
    return done


def start_held() -> int:
    """Start the first held task of each schedule whose previous run is done. Return the number of tasks."""
    unfinished = TaskStatus.objects.unfinished().filter(task_id=OuterRef("task_id"))
    running = ScheduleSlot.objects.filter(
        Exists(unfinished), schedule=OuterRef("schedule"), is_open=True, is_held=False
    )
    free = ScheduleSlot.objects.filter(~Exists(running), is_held=True).order_by().values_list("schedule_id", flat=True)
    return sum(_start_first_held(schedule_id) for schedule_id in list(free.distinct()))


def _start_first_held(schedule_id: int) -> int:
    rows = ScheduleSlot.objects.filter(schedule_id=schedule_id, is_open=True).order_by("slot")
    with transaction.atomic():
        running = list(rows.filter(is_held=False))
        if len(_close_done(running)) < len(running):
            return 0
        waiting = list(rows.filter(is_held=True)[:PAGE])
        done = _close_done(waiting)
        for slot in waiting:
            if slot.pk not in done:
                # Only one scheduler's update takes.
                taken = ScheduleSlot.objects.filter(pk=slot.pk, is_held=True).update(is_held=False)
                # The relay publishes it.
                return ledger.postpone([slot.task_id], delay_ms=0) if taken else 0
    return 0
