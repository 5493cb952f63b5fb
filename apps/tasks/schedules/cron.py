"""Cron texts and their slots, by the rules of Debian's cron. A slot is a timestamp in UTC. No ORM in here.

cronsim understands week days, ranges and steps. This module adds the zone, on top of cronsim's walk over local times
without a zone. cronsim's own walk over a zone gives slots of the past in an hour that happens twice, and loses some
where the clock moves by half an hour or at midnight.
"""

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from cronsim import CronSim, CronSimError
from cronsim.cronsim import SYMBOLIC_DAYS, SYMBOLIC_MONTHS
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.tasks.errors import BadCronError

#: Words for common times.
NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

#: Names of the fields in their order, each with its valid values.
FIELDS = (
    (_("minute"), _("0 to 59")),
    (_("hour"), _("0 to 23")),
    (_("day of month"), _("1 to 31, L (the last) or LW (the last one from Monday to Friday)")),
    (_("month"), _("1 to 12 or JAN to DEC")),
    (_("day of week"), _("0 to 7 (0 and 7 are Sunday), SUN to SAT, 5L (the last Friday) or 5#2 (the second)")),
)

MAX_LENGTH = 200
#: Larger than any move of a clock: all changes of a zone taken together never made more than a day and an hour.
WIDEST_SHIFT = timedelta(hours=48)
SECOND = timedelta(seconds=1)
#: Start of the search for a first slot. A text without one within cronsim's fifty years from here never comes.
SOME_DAY = datetime(2000, 1, 1)


@dataclass(frozen=True)
class Cron:
    """A parsed cron text.

    Parameters:
      text: The text as it was written.
      fields: Its five fields. A word such as `@weekly` is expanded.
    """

    text: str
    fields: str
    _walk: CronSim = field(repr=False, compare=False)

    @property
    def counts_elapsed_time(self) -> bool:
        """Whether slots follow the elapsed time when the clock is moved: minute or hour begins with `*`.

        Otherwise a local time that happens twice is one slot, and one that does not happen comes right after the gap.
        """
        minute, hour = self.fields.split()[:2]
        return minute.startswith("*") or hour.startswith("*")

    @property
    def words(self) -> str:
        """The text in plain English."""
        return str(self._walk.explain())

    def next_after(self, after: datetime, zone: tzinfo) -> datetime | None:
        """Return the first slot later than `after` in the zone, or None if there is none within fifty years."""
        if self.counts_elapsed_time:
            return self._next_elapsed(after.astimezone(UTC), zone)
        # In the order of local times the timestamps never go back, but two may be the same.
        walk = self._from(_local(after, zone))
        while (local := next(walk, None)) is not None:
            slot = _timestamp(local, zone)
            if slot > after:
                return slot
        return None

    def _next_elapsed(self, after: datetime, zone: tzinfo) -> datetime | None:
        """Return the first timestamp whose local time is in the text, searching between moves of the clock."""
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
                # No local time before `local` is in the text, however the clock moves on the way there.
                after = slot - WIDEST_SHIFT

    def _from(self, local: datetime) -> CronSim:
        """Return cronsim's walk over local times without a zone, beginning after this one."""
        walk = copy.copy(self._walk)
        walk.dt = local.replace(microsecond=0)
        return walk


@lru_cache(maxsize=4096)
def parse(text: str) -> Cron:
    """Parse a cron text.

    Raises:
      BadCronError: An unknown word, not five fields that cron knows, or a time that never comes.
    """
    if len(text) > MAX_LENGTH:
        raise BadCronError(
            gettext("The cron text has %(count)s characters, at most %(limit)s are allowed")
            % {"count": number_format(len(text), force_grouping=True), "limit": MAX_LENGTH}
        )
    fields = " ".join(text.split()).upper()
    if fields.startswith("@"):
        if fields.lower() not in NAMED:
            raise BadCronError(
                gettext("Unknown cron word %(word)r, must be one of: %(known)s")
                % {"word": text.strip(), "known": ", ".join(NAMED)}
            )
        fields = NAMED[fields.lower()]
    count = len(fields.split())
    if count != len(FIELDS):
        message = ngettext(
            "%(text)r has %(count)s field, must have five: %(fields)s",
            "%(text)r has %(count)s fields, must have five: %(fields)s",
            count,
        )
        names = ", ".join(str(name) for name, _known in FIELDS)
        raise BadCronError(message % {"text": text, "count": count, "fields": names})
    for position, (value, (name, known)) in enumerate(zip(fields.split(), FIELDS, strict=True)):
        try:
            CronSim(" ".join("*" if place != position else value for place in range(len(FIELDS))), SOME_DAY)
        except CronSimError:
            raise BadCronError(
                gettext("%(text)r: the %(field)s is %(value)r, must be %(known)s; with , - and /")
                % {"text": text, "field": name, "value": value, "known": known}
            ) from None
    fields = " ".join(",".join(map(_without_idle_step, field.split(","))) for field in fields.split())
    try:
        walk = CronSim(fields, SOME_DAY)
        if next(copy.copy(walk), None) is None:
            raise CronSimError
    except CronSimError:
        day, month = fields.split()[2:4]
        raise BadCronError(
            gettext("%(text)r never comes: there is no day %(day)r in month %(month)r")
            % {"text": text, "day": day, "month": month}
        ) from None
    return Cron(text=text.strip(), fields=fields, _walk=walk)


def _without_idle_step(part: str) -> str:
    """Return `3` for `3-3/2`. cronsim takes it for `3/2`, which it reads as `3-7/2`."""
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


def _timestamp(local: datetime, zone: tzinfo) -> datetime:
    """Return when the zone's clock first shows this local time or, if it never does, when it has jumped over it."""
    timestamp = local.replace(tzinfo=zone).astimezone(UTC)
    if _local(timestamp, zone) == local:
        return timestamp
    return _change_between(timestamp - WIDEST_SHIFT, timestamp, zone) or timestamp


def _change_between(begin: datetime, end: datetime, zone: tzinfo) -> datetime | None:
    """Return the first timestamp whose offset differs from that of `begin`, or None if that of `end` does not."""
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
