"""What is done about the slots that have come: which are fired, and which were missed. No ORM in here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from apps.tasks.schedules.timing import Timing

ONCE = "once"
ALL = "all"
SKIP = "skip"

#: What is done about slots that nobody fired in time.
MISSED = {
    ONCE: "Run once for all of them",
    ALL: "Run each, up to the limit",
    SKIP: "Leave them out",
}

SKIP_OVERLAP = "skip"
QUEUE_OVERLAP = "queue"

#: What is done about a slot that comes while the task of the last one is not done.
OVERLAP = {
    QUEUE_OVERLAP: "Queue it: it starts when the last run is done",
    SKIP_OVERLAP: "Skip it",
}

#: Missed slots are counted so far: a schedule of every minute that was forgotten for years must not hold up the others.
MOST_COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a schedule wants to be done about missed slots.

    Parameters:
      missed: `once`, `all` or `skip`.
      limit: How many missed slots `all` makes up, the newest ones.
      grace: A slot that is late by no more than this was not missed.
    """

    missed: str = ONCE
    limit: int = 100
    grace: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Slots that were missed and are not made up, from the first to the last. Counted up to `MOST_COUNTED`."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of the slots that have come.

    Parameters:
      fire: The slots that become tasks, in order.
      missed: Those that do not.
      decided_until: No slot up to here is asked about again.
      next_at: When the next slot is to be fired. None: never.
    """

    fire: tuple[datetime, ...]
    missed: Gap | None
    decided_until: datetime
    next_at: datetime | None


def decide(timing: Timing, policy: Policy, *, decided_until: datetime, now: datetime) -> Decision:
    """Decide about the slots after `decided_until` whose time has come."""
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
    """When the first slot later than `after` is to be fired."""
    slot = timing.next_after(after)
    return None if slot is None else timing.fires_at(slot)


def _due(timing: Timing, after: datetime, now: datetime) -> list[datetime]:
    """The slots that are to be fired by now, in order. Of very many: as many, the newest ones among them."""

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
    # A stretch before now that has at least half as many as are counted, and no more.
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
