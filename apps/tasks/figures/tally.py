"""Keeps the tallies up to date with the rows. Any number of relays may do it at once.

A minute is counted as soon as it is over, and once more some minutes later, when whatever committed late can be read:
the second count replaces the first. An hour is summed when all of its minutes are settled, and each sum replaces the
last one.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.tasks.clock import ClockTimestamp
from apps.tasks.figures.counting import FURTHEST, Key, count, next_id
from apps.tasks.figures.counts import Counts
from apps.tasks.models import Tally, TallyMark, TaskStatus
from apps.tasks.models.tally import DAY, EVER, HOUR, MINUTE

logger = logging.getLogger(__name__)

#: Time after its end at which a minute is counted first.
LAG = timedelta(seconds=5)
#: Minutes that are settled at once, and how long after their end.
SETTLE = timedelta(minutes=5)
#: Minutes that are counted at once, at most.
MOST_MINUTES = timedelta(hours=1)
#: Age of the tasks from which the first relay of all begins to count.
FIRST = timedelta(days=1)
#: Two tasks whose ids are in another order than their sends have been sent within this time.
ID_SLACK = timedelta(minutes=1)
#: Time by which the clock may go back. The minutes since are counted anew.
BACK = timedelta(minutes=10)
#: Ages at which tallies are deleted, by the length of their span.
KEPT = {MINUTE: timedelta(days=2), HOUR: timedelta(days=60), DAY: timedelta(days=730)}
#: Start of the sums over all times.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
#: Tallies that are written in one statement.
PAGE = 500


def settled_until() -> datetime:
    """Return the time before which all rows are counted for good, so that they may be deleted."""
    found: datetime | None = TallyMark.objects.values_list("settled_until", flat=True).first()
    return found or BEGINNING


def keep_up() -> bool:
    """Count the minutes that are over, or an hour of them. Return whether there is more."""
    mark = _mark()
    now: datetime = mark.now  # type: ignore[attr-defined]
    if mark.counted_until > now + LAG:
        return _go_back(mark, now)
    closed = floor(now - LAG, MINUTE)
    until = min(closed, mark.counted_until + MOST_MINUTES)
    if mark.counted_until < until:
        _count(mark, "counted", until)
        return True
    settled = min(floor(now - SETTLE, SETTLE // timedelta(minutes=1)), mark.settled_until + MOST_MINUTES)
    if mark.settled_until < settled:
        _count(mark, "settled", settled)
        return True
    if mark.summed_until + timedelta(hours=1) <= mark.settled_until:
        _sum(mark)
        return True
    return False


def forget() -> int:
    """Delete tallies that are old. Return their number."""
    now = timezone.now()
    # A relay that was away for long may have minutes to sum that are old.
    summed: datetime = TallyMark.objects.values_list("summed_until", flat=True).first() or now
    return sum(
        Tally.objects.filter(span=span, start__lt=min(now - age - timedelta(minutes=span), summed)).delete()[0]
        for span, age in KEPT.items()
    )


def floor(time: datetime, minutes: int) -> datetime:
    """Return the start of the span of so many minutes in which a time lies."""
    length = minutes * 60
    return datetime.fromtimestamp(time.timestamp() // length * length, UTC)


def _mark() -> TallyMark:
    """Return the mark with the time of the database. The first relay of all makes it."""
    marks = TallyMark.objects.annotate(now=ClockTimestamp())
    found = marks.first()
    if found is None:
        now = timezone.now()
        sent = TaskStatus.objects.filter(created_at__lte=now).order_by("pk")
        first: Any = sent.values_list("created_at", flat=True).first()
        start = floor(max(now - FIRST, first or now), HOUR)
        from_id = _first_id(start)
        try:
            with transaction.atomic():
                TallyMark.objects.create(
                    pk=1, counted_until=start, settled_until=start, summed_until=start,
                    counted_from_id=from_id, settled_from_id=from_id,
                )  # fmt: skip
        except IntegrityError:
            pass  # Another relay made it.
        found = marks.get()
    return found


def _first_id(since: datetime) -> int:
    """Return the id of the first task that was sent since then. This reads all older ones."""
    sent = TaskStatus.objects.filter(created_at__gte=since - ID_SLACK, created_at__lt=timezone.now() + FURTHEST)
    return sent.order_by("pk").values_list("pk", flat=True).first() or 0


def _go_back(mark: TallyMark, now: datetime) -> bool:
    """Count the last minutes anew: the clock has gone back."""
    since = floor(now - BACK, MINUTE)
    from_id = _first_id(since)
    values = {
        "counted_until": since,
        "settled_until": min(since, mark.settled_until),
        "summed_until": min(floor(since, HOUR), mark.summed_until),
        "counted_from_id": min(from_id, mark.counted_from_id),
        "settled_from_id": min(from_id, mark.settled_from_id),
    }
    with transaction.atomic():
        if took := bool(_unchanged(mark).update(**values)):
            # They are counted again when their time comes, and are read from the rows until then.
            Tally.objects.filter(span=MINUTE, start__gte=since).delete()
    if took:
        logger.warning("figures are counted anew, the clock went back since=%s", since.isoformat())
    return took


def _count(mark: TallyMark, which: str, until: datetime) -> None:
    """Count the minutes up to a time, and replace their earlier counts.

    Parameters:
      which: `counted` or `settled`, whose mark it moves.
    """
    since: datetime = getattr(mark, f"{which}_until")
    from_id: int = getattr(mark, f"{which}_from_id")
    # Not in the transaction that writes, which other relays wait for.
    found = count(since, until, from_id=from_id)
    following = next_id(until - ID_SLACK, from_id=from_id)
    with transaction.atomic():
        # First: it locks the mark. Another relay may have done the work meanwhile.
        if _unchanged(mark).update(**{f"{which}_until": until, f"{which}_from_id": following}):
            Tally.objects.filter(span=MINUTE, start__gte=since, start__lt=until).delete()
            _write(MINUTE, found.items())


def _sum(mark: TallyMark) -> None:
    """Sum an hour, and add its difference from its last sum to its day and to the sums over all times."""
    start, end = mark.summed_until, mark.summed_until + timedelta(hours=1)
    with transaction.atomic():
        if not _unchanged(mark).update(summed_until=end):
            return
        more: dict[tuple[str, str], Counts] = {}
        for row in Tally.objects.filter(span=MINUTE, start__gte=start, start__lt=end):
            more.setdefault((row.task_name, row.queue_name), Counts()).add(Counts.of(row))
        for row in Tally.objects.filter(span=HOUR, start=start):
            more.setdefault((row.task_name, row.queue_name), Counts()).add(Counts.of(row), times=-1)
        for span, at in ((HOUR, start), (DAY, floor(start, DAY)), (EVER, BEGINNING)):
            _add(span, at, more)


def _add(span: int, start: datetime, more: dict[tuple[str, str], Counts]) -> None:
    rows = Tally.objects.filter(span=span, start=start)
    known = {(row.task_name, row.queue_name): row for row in rows}
    _write(span, [(Key(start, *names), counts) for names, counts in more.items() if names not in known])
    for names, row in known.items():
        if names in more:
            counts = Counts.of(row)
            counts.add(more[names])
            rows.filter(pk=row.pk).update(**counts.columns())


def _write(span: int, found: Iterable[tuple[Key, Counts]]) -> None:
    Tally.objects.bulk_create(
        (
            Tally(span=span, start=key.minute, task_name=key.task_name, queue_name=key.queue_name, **counts.columns())
            for key, counts in found
        ),
        batch_size=PAGE,
    )


def _unchanged(mark: TallyMark) -> Any:
    """Return a queryset of the mark. It is empty once another relay has moved it."""
    return TallyMark.objects.filter(
        pk=mark.pk,
        counted_until=mark.counted_until,
        settled_until=mark.settled_until,
        summed_until=mark.summed_until,
    )
