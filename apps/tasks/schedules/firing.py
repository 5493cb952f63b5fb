"""Firing: the slots that have come become tasks, each once, whoever else fires.

The rows of due schedules are locked, decided about and moved on in one transaction with the rows of the slots and of
their tasks. Another scheduler goes around locked rows, and finds them decided afterwards. A slot is a row that is
unique, and its task's id is made from it: a second line, should the first one ever break.
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
from dramatiq import Message

from apps.tasks import ledger
from apps.tasks.models import Schedule, ScheduleQuerySet, ScheduleSlot, TaskStatus
from apps.tasks.schedules import clock, declared, history
from apps.tasks.schedules.policy import SKIP_OVERLAP, Decision, decide

logger = logging.getLogger(__name__)

#: Task ids of slots are made from this.
SLOTS = uuid.UUID("6f1f4a55-0c39-4d5c-9f0e-2d6a8c0e7a11")
#: How many schedules are fired in one transaction.
PAGE = 100
#: A schedule that cannot be fired is looked at again after so long.
TROUBLE = timedelta(seconds=60)
#: The columns that a decision changes.
DECIDED = ["decided_until", "next_at", "missed_count", "problem"]
#: What waits for the run before it is not run before this, unless it is released.
HOLD_MS = 365 * 24 * 3_600 * 1_000


@dataclass(frozen=True, kw_only=True)
class Sending:
    """A message of a slot. `held`: it waits until the run before it is done."""

    message: Message[Any]
    held: bool


def alive() -> ScheduleQuerySet:
    """The schedules that this process may fire: enabled, and in its code.

    Those of other code, newer or older, are left to who knows it.
    """
    return Schedule.objects.alive(actors=dramatiq.get_broker().actors, declared=declared.names())


def fire_due() -> int:
    """Send the tasks of all slots that have come. Returns how many."""
    sent = 0
    while True:
        now = clock.now()
        due = alive().due(now)
        # Looked at first: where nothing is due, nothing is locked.
        pks = list(due.order_by("next_at").values_list("pk", flat=True)[:PAGE])
        if not pks:
            return sent
        try:
            found, decided = _fire(pks, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # One of them does what nobody foresaw: the others go on.
            found, decided = _fire_one_by_one(pks, now)
        sent += found
        if not decided:
            return sent  # Another scheduler has them.


def earliest() -> datetime | None:
    """When the next slot of any schedule is to be fired. It may have passed: then another scheduler is firing it."""
    found: datetime | None = alive().aggregate(at=Min("next_at"))["at"]
    return found


def _fire_one_by_one(pks: Iterable[int], now: datetime) -> tuple[int, int]:
    sent = decided = 0
    for pk in pks:
        try:
            found, taken = _fire([pk], now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            logger.exception("schedule failed id=%s", pk)
            text = "".join(char for char in f"{type(error).__name__}: {error}" if char.isprintable())
            found, taken = 0, Schedule.objects.filter(pk=pk).update(problem=text, next_at=now + TROUBLE)
        sent, decided = sent + found, decided + taken
    return sent, decided


def _fire(pks: Iterable[int], now: datetime) -> tuple[int, int]:
    """Decide about these schedules, unless somebody else has them.

    Returns: How many tasks were sent, and how many schedules taken.
    """
    with transaction.atomic():
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
        # The rows are there and locked. `bulk_update` would take Django longer than all the rest.
        Schedule.objects.bulk_create(schedules, update_conflicts=True, unique_fields=["id"], update_fields=DECIDED)
        history.write(rows)
        _send(sendings)
    for row in rows:
        logger.info(
            "slot %s schedule=%r slot=%s count=%s id=%s",
            row.outcome, row.schedule.name, iso(row.slot), row.count, row.task_id,
        )  # fmt: skip
    return len(sendings), len(schedules)


def _carry_out(schedule: Schedule, decision: Decision, *, is_running: bool) -> tuple[list[ScheduleSlot], list[Sending]]:
    """The rows and the messages of a decision.

    Raises:
      ActorNotFound, TypeError, ValueError: The actor is not there or cannot be called so.
    """
    rows: list[ScheduleSlot] = []
    sendings: list[Sending] = []
    for slot in decision.fire:
        if is_running and schedule.overlap == SKIP_OVERLAP:
            rows.append(ScheduleSlot(schedule=schedule, slot=slot, first_slot=slot, outcome=ScheduleSlot.SKIPPED))
            continue
        message = checked(schedule, slot=slot)
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


def checked(schedule: Schedule, *, slot: datetime) -> Message[Any]:
    """The message of a slot. Its options tell the actor the schedule's name and the slot.

    Raises:
      ActorNotFound: No actor of that name was declared.
      TypeError, ValueError: It cannot be called with the schedule's arguments.
    """
    broker: Any = dramatiq.get_broker()
    actor = broker.get_actor(schedule.task_name)
    if not isinstance(schedule.kwargs, dict):
        raise TypeError(f"The arguments are {schedule.kwargs!r}, must be a JSON object")
    message: Message[Any] = actor.message_with_options(
        kwargs=schedule.kwargs, schedule=schedule.name, slot=iso(slot)
    ).copy(message_id=str(uuid.uuid5(SLOTS, f"{schedule.pk} {slot.isoformat()}")))
    broker.send_of(message)
    return message


def _send(sendings: Iterable[Sending]) -> None:
    sendings = list(sendings)
    broker: Any = dramatiq.get_broker()
    at_once = [sending.message for sending in sendings if not sending.held]
    if at_once:
        broker.send_many(at_once)
    for sending in sendings:
        if sending.held:
            broker.enqueue(sending.message, delay=HOLD_MS)


def iso(timestamp: datetime) -> str:
    """Such as `2026-11-30T07:00:00Z`."""
    return timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- The run before ------------------------------------------------------------------------------


def _running(schedules: Iterable[Schedule]) -> set[int]:
    """Those of the schedules, by key, that have a task that is not done. The other tasks are noted as done."""
    rows = ScheduleSlot.objects.filter(schedule__in=list(schedules)).order_by()
    # There may be very many that wait: that there are some is enough.
    waiting = set(rows.filter(is_held=True).values_list("schedule_id", flat=True).distinct())
    slots = list(rows.filter(is_open=True, is_held=False).exclude(schedule__in=waiting))
    done = _close_done(slots)
    return waiting | {slot.schedule_id for slot in slots if slot.pk not in done}


def _close_done(slots: Iterable[ScheduleSlot]) -> set[int]:
    """Note which of the slots' tasks have ended or are no more. Returns the keys of their slots."""
    slots = list(slots)
    ids = [slot.task_id for slot in slots]
    unfinished = set(
        TaskStatus.objects.unfinished().filter(task_id__in=ids).order_by().values_list("task_id", flat=True)
    )
    done = {slot.pk for slot in slots if slot.task_id not in unfinished}
    if done:
        ScheduleSlot.objects.filter(pk__in=done).update(is_open=False, is_held=False)
    return done


def release() -> int:
    """Let the tasks run whose run before is done: of each schedule the first one that waits. Returns how many."""
    unfinished = TaskStatus.objects.unfinished().filter(task_id=OuterRef("task_id"))
    running = ScheduleSlot.objects.filter(
        Exists(unfinished), schedule=OuterRef("schedule"), is_open=True, is_held=False
    )
    free = ScheduleSlot.objects.filter(~Exists(running), is_held=True).order_by().values_list("schedule_id", flat=True)
    return sum(_release_one(schedule_id) for schedule_id in list(free.distinct()))


def _release_one(schedule_id: int) -> int:
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
                # The relay sends it.
                return ledger.postpone([slot.task_id], delay_ms=0) if taken else 0
    return 0
