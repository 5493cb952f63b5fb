"""When a schedule comes: its slots, and when each is fired. No ORM in here."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from apps.tasks.schedules.cron import Cron

#: Just before an instant: what comes after this may be the instant itself.
MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The slots of a schedule. A slot is a UTC instant.

    Parameters:
      cron: A cron text; or None, and it comes `every` so often, counted from `anchor`.
      zone: The clock that the cron text is about.
      begin, end: The first and the last instant that may be a slot.
      jitter: At most so long after its slot, and before the next one, it is fired. How long is the same wherever it
        is asked.
      key: What tells this schedule's jitter from another one's.
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
        """The first slot later than `after`, or None."""
        if self.begin is not None:
            after = max(after, self.begin - MOMENT)
        if self.cron is not None:
            slot = self.cron.next_after(after, self.zone)
        else:
            assert self.every is not None
            slot = self.anchor + max((after - self.anchor) // self.every + 1, 0) * self.every
        if slot is None or (self.end is not None and slot > self.end):
            return None
        return slot.astimezone(UTC)

    def slots_after(self, after: datetime) -> Iterator[datetime]:
        """The slots later than `after`, in order."""
        slot = self.next_after(after)
        while slot is not None:
            yield slot
            slot = self.next_after(slot)

    def upcoming(self, after: datetime, *, count: int) -> list[datetime]:
        """The next `count` slots, or fewer where it ends."""
        return list(islice(self.slots_after(after), count))

    def fires_at(self, slot: datetime) -> datetime:
        """When the slot is fired: then, or up to `jitter` later, but not after the next slot: they keep their order."""
        if not self.jitter:
            return slot
        following = self.next_after(slot)
        jitter = self.jitter if following is None else min(self.jitter, following - slot)
        digest = hashlib.blake2b(f"{self.key} {slot.isoformat()}".encode(), digest_size=8).digest()
        return slot + jitter * (int.from_bytes(digest) / 2**64)
