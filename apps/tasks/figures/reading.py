"""Reads figures for pages and metrics."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.tasks.clock import ClockTimestamp
from apps.tasks.figures.counting import count
from apps.tasks.figures.counts import COLUMNS, Counts
from apps.tasks.figures.tally import KEPT, floor
from apps.tasks.models import Tally, TallyMark
from apps.tasks.models.tally import EVER, MINUTE
from apps.tasks.models.tally import HOUR as SPAN_HOUR

#: Time that is counted from the rows at each reading, at most. Without a relay nothing else is counted.
MOST_LIVE = timedelta(minutes=2)

#: Actor and queue.
Names = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Period:
    """A time that ends now.

    Parameters:
      name: Name in addresses.
      length: Its length.
      step: Time between two points, in minutes.
    """

    name: str
    length: timedelta
    step: int


HOUR = Period(name="hour", length=timedelta(hours=1), step=MINUTE)
DAY = Period(name="day", length=timedelta(days=1), step=SPAN_HOUR)
WEEK = Period(name="week", length=timedelta(days=7), step=SPAN_HOUR)
PERIODS = {period.name: period for period in (HOUR, DAY, WEEK)}


@dataclass(frozen=True, kw_only=True)
class Point:
    """Counts of all actors and queues in one step."""

    start: datetime
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class Series:
    """Figures of a period.

    Parameters:
      points: One for each step, the oldest first. The last one is not over.
      by_names: Counts of the whole period, by actor and queue.
      counted_until: Time up to which the relays have counted. None: no relay ever ran.
      is_behind: Whether minutes between then and now are missing, since no relay counts.
    """

    period: Period
    points: list[Point]
    by_names: dict[Names, Counts]
    counted_until: datetime | None
    is_behind: bool

    @property
    def total(self) -> Counts:
        return Counts.together(self.by_names.values())

    def by_actor(self) -> dict[str, Counts]:
        return _grouped((task_name, counts) for (task_name, _queue), counts in self.by_names.items())

    def by_queue(self) -> dict[str, Counts]:
        return _grouped((queue_name, counts) for (_actor, queue_name), counts in self.by_names.items())


def over(period: Period, *, task_name: str | None = None) -> Series:
    """Return the figures of a period: the last 60 minutes, 24 hours or 168 hours, the current one too.

    Parameters:
      task_name: Only those of this actor. None: all.
    """
    mark, now = _mark()
    first = floor(now, period.step) - period.length + timedelta(minutes=period.step)
    summed = mark.summed_until if mark else now
    if period.step == MINUTE:
        chosen = Q(span=MINUTE, start__gte=first)
    else:
        # The hours that are not summed yet are read by minutes.
        chosen = Q(span=SPAN_HOUR, start__gte=first, start__lt=summed) | Q(span=MINUTE, start__gte=max(first, summed))
    if task_name is not None:
        chosen &= Q(task_name=task_name)
    points: dict[datetime, Counts] = {}
    by_names: dict[Names, Counts] = {}
    for start, names, counts in [*_stored(chosen), *_live(mark, now)]:
        if start >= first and task_name in (None, names[0]):
            points.setdefault(floor(start, period.step), Counts()).add(counts)
            by_names.setdefault(names, Counts()).add(counts)
    steps = [first + timedelta(minutes=period.step) * number for number in range(_steps(period))]
    return Series(
        period=period,
        points=[Point(start=start, counts=points.get(start, Counts())) for start in steps],
        by_names=by_names,
        counted_until=mark.counted_until if mark else None,
        is_behind=mark is None or now - mark.counted_until > MOST_LIVE,
    )


def between(since: datetime, until: datetime) -> dict[str, Counts]:
    """Return the counts of each actor between two times, to the minute. Those of long ago are to the hour.

    Whole hours are read from their sums, where there are some.
    """
    mark, now = _mark()
    step = MINUTE if since > now - KEPT[MINUTE] + timedelta(hours=1) else SPAN_HOUR
    since, until = floor(since, step), floor(until + timedelta(minutes=step, microseconds=-1), step)
    summed = floor(mark.summed_until if mark else now, SPAN_HOUR)
    first = floor(since + timedelta(minutes=SPAN_HOUR, microseconds=-1), SPAN_HOUR)
    last = max(first, min(floor(until, SPAN_HOUR), summed))
    chosen = Q(span=SPAN_HOUR, start__gte=first, start__lt=last)
    chosen |= Q(span=MINUTE, start__gte=since, start__lt=min(first, until))
    chosen |= Q(span=MINUTE, start__gte=last, start__lt=until)
    found = [*_stored(chosen), *(_live(mark, now) if until > now - MOST_LIVE - timedelta(hours=1) else [])]
    return _grouped((names[0], counts) for start, names, counts in found if since <= start < until)


def usual(task_name: str) -> Counts:
    """Return the counts of an actor in the last 24 hours, up to the last minute that a relay has counted."""
    mark, now = _mark()
    first, summed = now - DAY.length, mark.summed_until if mark else now
    chosen = Q(span=SPAN_HOUR, start__gte=first, start__lt=summed) | Q(span=MINUTE, start__gte=max(first, summed))
    return Counts.together(Counts.of(row) for row in Tally.objects.filter(chosen, task_name=task_name))


def totals() -> dict[Names, Counts]:
    """Return the counts since the first relay began to count, by actor and queue. They only grow."""
    mark, now = _mark()
    summed = mark.summed_until if mark else now
    chosen = Q(span=EVER) | Q(span=MINUTE, start__gte=summed)
    found: dict[Names, Counts] = {}
    for _start, names, counts in [*_stored(chosen), *_live(mark, now)]:
        found.setdefault(names, Counts()).add(counts)
    # Hours that are summed again, since the clock went back, are still in the sums.
    for _start, names, counts in _stored(Q(span=SPAN_HOUR, start__gte=summed)):
        found.setdefault(names, Counts()).add(counts, times=-1)
    return found


def _mark() -> tuple[TallyMark | None, datetime]:
    """Return the mark, if there is one, and the time of the database."""
    found: Any = TallyMark.objects.annotate(now=ClockTimestamp()).first()
    if found is not None:
        return found, found.now
    return None, timezone.now()


def _stored(chosen: Q) -> list[tuple[datetime, Names, Counts]]:
    # Without objects of the model: a page reads hundreds of rows.
    rows = Tally.objects.filter(chosen).values_list("start", "task_name", "queue_name", *COLUMNS)
    return [(start, (task_name, queue_name), Counts.read(*values)) for start, task_name, queue_name, *values in rows]


def _live(mark: TallyMark | None, now: datetime) -> list[tuple[datetime, Names, Counts]]:
    """Return the counts of the minutes that no relay has counted yet. Without a relay, those are the last two."""
    if mark is None:
        return []
    since = max(mark.counted_until, floor(now - MOST_LIVE, MINUTE))
    found = count(since, now + MOST_LIVE, from_id=mark.counted_from_id)
    return [(key.minute, (key.task_name, key.queue_name), counts) for key, counts in found.items()]


def _steps(period: Period) -> int:
    return int(period.length / timedelta(minutes=period.step))


def _grouped(parts: Iterable[tuple[str, Counts]]) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for name, counts in parts:
        found.setdefault(name, Counts()).add(counts)
    return found
