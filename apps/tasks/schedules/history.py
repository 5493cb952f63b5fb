"""Outcomes of slots: recorded, and pruned after a while."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Window
from django.db.models.functions import RowNumber

from apps.tasks.conf import conf
from apps.tasks.models import Schedule, ScheduleSlot, TaskStatus
from apps.tasks.schedules import clock
from apps.tasks.schedules.policy import SKIP, Gap, Policy, decide

#: Batch size for deleting rows.
PAGE = 1_000

#: Columns that `close` changes.
CLOSED = ["decided_until", "missed_count"]


def write(rows: Iterable[ScheduleSlot]) -> None:
    """Insert the rows. A slot that is known already stays as it is."""
    ScheduleSlot.objects.bulk_create(rows, ignore_conflicts=True)


def missed(schedule: Schedule, gap: Gap) -> ScheduleSlot:
    """Count a stretch of missed slots on the schedule and return its row."""
    schedule.missed_count += gap.count
    return ScheduleSlot(
        schedule=schedule, slot=gap.last, first_slot=gap.first, count=gap.count, outcome=ScheduleSlot.MISSED
    )


def close(schedule: Schedule, *, now: datetime) -> None:
    """Record the slots that a locked schedule has not fired by now as missed, before it gets another time or pauses."""
    if schedule.enabled:
        try:
            decision = decide(
                # A slot that only waits for its jitter is not fired either.
                replace(schedule.timing, jitter=timedelta(0)),
                Policy(missed=SKIP, grace=timedelta(seconds=-1)),
                decided_until=schedule.decided_until,
                now=now,
            )
        except ValueError:
            pass  # A schedule whose time makes no sense had no slots.
        else:
            if decision.missed is not None:
                write([missed(schedule, decision.missed)])
    schedule.decided_until = max(schedule.decided_until, now)


def prune() -> int:
    """Delete rows older than `SCHEDULE_HISTORY_DAYS`, and all but the newest `SCHEDULE_HISTORY_COUNT` of each schedule.

    The schedule's watermark stays, so no slot is fired again. Rows whose task may still be unfinished stay, too.

    Returns:
      The number of deleted rows.
    """
    unfinished = TaskStatus.objects.unfinished().filter(task_id=OuterRef("task_id"))
    # A schedule that has no slots any more does not close its rows by itself.
    ScheduleSlot.objects.filter(~Exists(unfinished), is_open=True).update(is_open=False, is_held=False)
    before = clock.now() - timedelta(days=conf.SCHEDULE_HISTORY_DAYS)
    old = ScheduleSlot.objects.filter(slot__lt=before, is_open=False).order_by()
    deleted = _delete(old.values_list("pk", flat=True))
    # Open rows count, too, so they are left out only afterwards.
    place = Window(RowNumber(), partition_by=F("schedule_id"), order_by=F("slot").desc())
    surplus = ScheduleSlot.objects.annotate(place=place).filter(place__gt=conf.SCHEDULE_HISTORY_COUNT)
    return deleted + _delete(pk for pk, is_open in surplus.order_by().values_list("pk", "is_open") if not is_open)


def _delete(pks: Iterable[int]) -> int:
    pks = list(pks)
    deleted = 0
    for start in range(0, len(pks), PAGE):
        with transaction.atomic():
            deleted += ScheduleSlot.objects.filter(pk__in=pks[start : start + PAGE]).delete()[0]
    return deleted
