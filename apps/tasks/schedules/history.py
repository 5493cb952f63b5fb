"""What became of slots: written down, and forgotten again after a while."""

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

#: How many rows are deleted in one transaction.
PAGE = 1_000

#: The columns that `close` changes.
CLOSED = ["decided_until", "missed_count"]


def write(rows: Iterable[ScheduleSlot]) -> None:
    """Insert the rows. A slot that is known already stays as it is."""
    ScheduleSlot.objects.bulk_create(rows, ignore_conflicts=True)


def missed(schedule: Schedule, gap: Gap) -> ScheduleSlot:
    """The row of a stretch of missed slots. They are counted on the schedule."""
    schedule.missed_count += gap.count
    return ScheduleSlot(
        schedule=schedule, slot=gap.last, first_slot=gap.first, count=gap.count, outcome=ScheduleSlot.MISSED
    )


def close(schedule: Schedule, *, now: datetime) -> None:
    """Before a locked schedule gets another time, or is paused: what it has not fired by now was missed."""
    if schedule.enabled:
        try:
            decision = decide(
                # What has come and only waits for its jitter will not be fired either.
                replace(schedule.timing, jitter=timedelta(0)),
                Policy(missed=SKIP, grace=timedelta(seconds=-1)),
                decided_until=schedule.decided_until,
                now=now,
            )
        except ValueError:
            pass  # Its time makes no sense: it had no slots.
        else:
            if decision.missed is not None:
                write([missed(schedule, decision.missed)])
    schedule.decided_until = max(schedule.decided_until, now)


def prune() -> int:
    """Delete what is older than `SCHEDULE_HISTORY_DAYS`, and of each schedule all but `SCHEDULE_HISTORY_COUNT` rows.

    That a slot was decided is kept on the schedule, so none is fired again. What may still be under way stays.

    Returns: How many rows were deleted.
    """
    unfinished = TaskStatus.objects.unfinished().filter(task_id=OuterRef("task_id"))
    # Those of a schedule that has no slots any more are looked at nowhere else.
    ScheduleSlot.objects.filter(~Exists(unfinished), is_open=True).update(is_open=False, is_held=False)
    before = clock.now() - timedelta(days=conf.SCHEDULE_HISTORY_DAYS)
    old = ScheduleSlot.objects.filter(slot__lt=before, is_open=False).order_by()
    deleted = _delete(old.values_list("pk", flat=True))
    # Counted are all rows, so what is open is looked at afterwards.
    place = Window(RowNumber(), partition_by=F("schedule_id"), order_by=F("slot").desc())
    rebalancer = ScheduleSlot.objects.annotate(place=place).filter(place__gt=conf.SCHEDULE_HISTORY_COUNT)
    return deleted + _delete(pk for pk, is_open in rebalancer.order_by().values_list("pk", "is_open") if not is_open)


def _delete(pks: Iterable[int]) -> int:
    pks = list(pks)
    deleted = 0
    for start in range(0, len(pks), PAGE):
        with transaction.atomic():
            deleted += ScheduleSlot.objects.filter(pk__in=pks[start : start + PAGE]).delete()[0]
    return deleted
