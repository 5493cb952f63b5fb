"""Slots of a schedule, and the time at which each is fired. No ORM in here."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from apps.tasks.schedules.cron import Cron

#: Smallest step of time. A slot later than `begin - TICK` may be `begin` itself.
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The slots of a schedule. A slot is a timestamp in UTC.

    Parameters:
      cron: Cron text. None: the slots come `every` interval, counted from `anchor`.
      zone: Clock that the cron text is read by.
      begin, end: First and last timestamp that may be a slot.
      jitter: Largest delay of a slot. It is fired before the next slot, and each process computes the same delay.
      key: Seed of the jitter, so that two schedules differ.
    """

    cron: Cron | None = None
    every: timedelta | None = None
    anchor: datetime
    zone: ZoneInfo
    begin: datetime | None = None
    end: datetime | None = None
    jitter: timedelta = timedelta(0)
    key: str = ""

    def next_after(self, after: datetime) -> datetime | None:
        """Return the first slot later than `after`, or None."""
        if self.begin is not None:
            after = max(after, self.begin - TICK)
        if self.cron is not None:
            slot = self.cron.next_after(after, self.zone)
        else:
            assert self.every is not None
            slot = self.anchor + max((after - self.anchor) // self.every + 1, 0) * self.every
        if slot is None or (self.end is not None and slot > self.end):
            return None
        return slot.astimezone(UTC)

    def slots_after(self, after: datetime) -> Iterator[datetime]:
        """Yield the slots later than `after`, in order."""
        slot = self.next_after(after)
        while slot is not None:
            yield slot
            slot = self.next_after(slot)

    def upcoming(self, after: datetime, *, count: int) -> list[datetime]:
        """Return the next `count` slots, or fewer if the schedule ends before."""
        return list(islice(self.slots_after(after), count))

    def fires_at(self, slot: datetime) -> datetime:
        """Return the slot plus its jitter, which never passes the next slot: slots keep their order."""
        if not self.jitter:
            return slot
        following = self.next_after(slot)
        jitter = self.jitter if following is None else min(self.jitter, following - slot)
        digest = hashlib.blake2b(f"{self.key} {slot.isoformat()}".encode(), digest_size=8).digest()
        return slot + jitter * (int.from_bytes(digest) / 2**64)
