"""Cron texts and their slots, by the rules of Debian's cron. A slot is a UTC instant. No ORM in here.

Week days, ranges and steps are cronsim's; the zone is ours, on top of its walk over zone-less local times. Its own
walk over a zone gives slots of the past in an hour that happens twice, and loses some where the clock moves by half
an hour or at midnight.
"""

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from cronsim import CronSim, CronSimError
from cronsim.cronsim import SYMBOLIC_DAYS, SYMBOLIC_MONTHS

from apps.tasks.errors import BadCronError

#: The words for common times.
NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

#: The fields in their order, and what each may hold.
FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of month": "1 to 31, L (the last) or LW (the last one from Monday to Friday)",
    "month": "1 to 12 or JAN to DEC",
    "day of week": "0 to 7 (0 and 7 are Sunday), SUN to SAT, 5L (the last Friday) or 5#2 (the second)",
}

MAX_LENGTH = 200
#: No zone ever moved its clock by more than a day and an hour, all its changes taken together.
WIDEST_SHIFT = timedelta(hours=48)
SECOND = timedelta(seconds=1)
#: A text that does not come within cronsim's fifty years from here never does.
SOME_DAY = datetime(2000, 1, 1)


@dataclass(frozen=True)
class Cron:
    """A cron text, understood.

    Parameters:
      text: As it was written.
      fields: Its five fields; a word such as `@weekly` is expanded.
    """

    text: str
    fields: str
    _walk: CronSim = field(repr=False, compare=False)

    @property
    def counts_elapsed_time(self) -> bool:
        """Whether its slots follow the elapsed time where the clock is moved, since minute or hour begins with `*`.

        If not, a local time that happens twice is one slot, and one that does not happen comes right after the gap.
        """
        minute, hour = self.fields.split()[:2]
        return minute.startswith("*") or hour.startswith("*")

    @property
    def words(self) -> str:
        """What it means, in English."""
        return str(self._walk.explain())

    def next_after(self, after: datetime, zone: tzinfo) -> datetime | None:
        """The first slot later than `after` in the zone; None where there is none within fifty years."""
        if self.counts_elapsed_time:
            return self._next_elapsed(after.astimezone(UTC), zone)
        # In the order of local times the instants never go back, but two may be the same.
        walk = self._from(_local(after, zone))
        while (local := next(walk, None)) is not None:
            slot = _instant(local, zone)
            if slot > after:
                return slot
        return None

    def _next_elapsed(self, after: datetime, zone: tzinfo) -> datetime | None:
        """The first instant whose local time is in the text: sought from one change of the clock to the next."""
        while True:
            begin = after.replace(microsecond=0) + SECOND
            offset = _offset(begin, zone)
            local = next(self._from((begin + offset - SECOND).replace(tzinfo=None)), None)
            if local is None:
                return None
            slot = local.replace(tzinfo=UTC) - offset
            change = _change_between(begin, begin + WIDEST_SHIFT, zone)
            if change is not None and slot >= change:
                after = change - SECOND
            elif slot <= begin + WIDEST_SHIFT:
                return slot
            else:
                # Whatever the clock does on the way there, no local time before `local` is in the text.
                after = slot - WIDEST_SHIFT

    def _from(self, local: datetime) -> CronSim:
        """cronsim's walk over local times without a zone, beginning after this one."""
        walk = copy.copy(self._walk)
        walk.dt = local.replace(microsecond=0)
        return walk


@lru_cache(maxsize=4096)
def parse(text: str) -> Cron:
    """Understand a cron text.

    Raises:
      BadCronError: An unknown word, not five fields that cron knows, or a time that never comes.
    """
    if len(text) > MAX_LENGTH:
        raise BadCronError(f"The cron text has {len(text):,} characters, at most {MAX_LENGTH} are allowed")
    fields = " ".join(text.split()).upper()
    if fields.startswith("@"):
        if fields.lower() not in NAMED:
            raise BadCronError(f"Unknown cron word {text.strip()!r}, must be one of: {', '.join(NAMED)}")
        fields = NAMED[fields.lower()]
    count = len(fields.split())
    if count != len(FIELDS):
        raise BadCronError(
            f"{text!r} has {count} {'field' if count == 1 else 'fields'}, must have five: {', '.join(FIELDS)}"
        )
    for position, (value, (name, known)) in enumerate(zip(fields.split(), FIELDS.items(), strict=True)):
        try:
            CronSim(" ".join("*" if place != position else value for place in range(len(FIELDS))), SOME_DAY)
        except CronSimError:
            raise BadCronError(f"{text!r}: the {name} is {value!r}, must be {known}; with , - and /") from None
    fields = " ".join(",".join(map(_without_idle_step, field.split(","))) for field in fields.split())
    try:
        walk = CronSim(fields, SOME_DAY)
        if next(copy.copy(walk), None) is None:
            raise CronSimError
    except CronSimError:
        day, month = fields.split()[2:4]
        raise BadCronError(f"{text!r} never comes: there is no day {day!r} in month {month!r}") from None
    return Cron(text=text.strip(), fields=fields, _walk=walk)


def _without_idle_step(part: str) -> str:
    """`3-3/2` is `3`: cronsim takes it for `3/2`, which it reads as `3-7/2`."""
    span, step, _ = part.partition("/")
    ends = [str(SYMBOLIC_DAYS.index(end)) if end in SYMBOLIC_DAYS else end.lstrip("0") for end in span.split("-")]
    ends = [str(SYMBOLIC_MONTHS.index(end) + 1) if end in SYMBOLIC_MONTHS else end for end in ends]
    return span.split("-")[0] if step and len(ends) == 2 and ends[0] == ends[1] else part


def _offset(timestamp: datetime, zone: tzinfo) -> timedelta:
    offset = timestamp.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _local(timestamp: datetime, zone: tzinfo) -> datetime:
    return timestamp.astimezone(zone).replace(tzinfo=None, fold=0)


def _instant(local: datetime, zone: tzinfo) -> datetime:
    """When the zone's clock shows this for the first time or, if it never does, when it has jumped over it."""
    timestamp = local.replace(tzinfo=zone).astimezone(UTC)
    if _local(timestamp, zone) == local:
        return timestamp
    return _change_between(timestamp - WIDEST_SHIFT, timestamp, zone) or timestamp


def _change_between(begin: datetime, end: datetime, zone: tzinfo) -> datetime | None:
    """The first instant with another offset than that of `begin`, if `end` has another one."""
    offset = _offset(begin, zone)
    if _offset(end, zone) == offset:
        return None
    while end - begin > SECOND:
        middle = begin + timedelta(seconds=(end - begin) // SECOND // 2)
        if _offset(middle, zone) == offset:
            begin = middle
        else:
            end = middle
    return end
