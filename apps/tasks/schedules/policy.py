"""Policies: which of the slots that have come are fired, and which count as missed. No ORM in here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.utils.translation import gettext_lazy as _

from apps.tasks.schedules.timing import Timing

ONCE = "once"
ALL = "all"
SKIP = "skip"

#: Treatments of slots that no scheduler fired in time.
MISSED = {
    ONCE: _("Run once for all of them"),
    ALL: _("Run each, up to the limit"),
    SKIP: _("Leave them out"),
}

SKIP_OVERLAP = "skip"
QUEUE_OVERLAP = "queue"

#: Treatments of a slot that comes while the task of the last one is unfinished.
OVERLAP = {
    QUEUE_OVERLAP: _("Queue it: it starts when the last run is done"),
    SKIP_OVERLAP: _("Skip it"),
}

#: Largest number of missed slots to count. A schedule of every minute that slept for years must not hold up the others.
MOST_COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Treatment of a schedule's missed slots.

    Parameters:
      missed: `once`, `all` or `skip`.
      limit: Number of missed slots that `all` makes up, the newest ones.
      grace: Lateness up to which a slot does not count as missed.
    """

    missed: str = ONCE
    limit: int = 100
    grace: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Missed slots that are not made up, from the first to the last. Counted up to `MOST_COUNTED`."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Decision about the slots that have come.

    Parameters:
      fire: Slots that become tasks, in order.
      missed: Slots that do not.
      decided_until: New watermark. No slot up to here is decided again.
      next_at: Time at which the next slot is to be fired. None: never.
    """

    fire: tuple[datetime, ...]
    missed: Gap | None
    decided_until: datetime
    next_at: datetime | None


def decide(timing: Timing, policy: Policy, *, decided_until: datetime, now: datetime) -> Decision:
    """Decide about the slots after the watermark `decided_until` whose time has come."""
    slots = _due(timing, decided_until, now)
    on_time = [slot for slot in slots if now - timing.fires_at(slot) <= policy.grace]
    late = slots[: len(slots) - len(on_time)]
    made_up: list[datetime] = []
    if policy.missed == ALL:
        made_up = late[-policy.limit :]
    elif policy.missed == ONCE and not on_time:
        made_up = late[-1:]
    lost = late[: len(late) - len(made_up)]
    until = slots[-1] if slots else decided_until
    return Decision(
        fire=(*made_up, *on_time),
        missed=Gap(first=lost[0], last=lost[-1], count=len(lost)) if lost else None,
        decided_until=until,
        next_at=next_firing(timing, until),
    )


def next_firing(timing: Timing, after: datetime) -> datetime | None:
    """Return the time at which the first slot later than `after` is to be fired."""
    slot = timing.next_after(after)
    return None if slot is None else timing.fires_at(slot)


def _due(timing: Timing, after: datetime, now: datetime) -> list[datetime]:
    """Return the slots to fire by now, in order: at most `MOST_COUNTED`, the newest ones among them."""

    def from_there(begin: datetime) -> list[datetime]:
        found: list[datetime] = []
        for slot in islice(timing.slots_after(begin), MOST_COUNTED + 1):
            if timing.fires_at(slot) > now:
                return found
            found.append(slot)
        return found

    slots = from_there(after)
    if len(slots) <= MOST_COUNTED:
        return slots
    # Find a stretch before now with at least half of `MOST_COUNTED` slots and no more than all of it.
    short, span, long = timedelta(0), timedelta(hours=1), now - after
    recent: list[datetime] = []
    while len(recent) < MOST_COUNTED // 2:
        found = from_there(now - span)
        if len(found) > MOST_COUNTED:
            long = span
        else:
            short, recent = span, found
        span = min(2 * span, (short + long) / 2)
    missing = MOST_COUNTED - len(recent)
    return slots[:missing] + recent
