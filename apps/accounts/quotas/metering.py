"""Count uploads and reports of a user, and lock a user's counting.

A rate is a leaky bucket in one column of the user's `Meter`: as many at once as its limit says, then one more whenever
an even share of the time has passed. It holds over processes and restarts, and no row comes with a request.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, DateTimeField, F, Q, Value, When
from django.utils import timezone

from apps.accounts.quotas.errors import NotNowError
from apps.accounts.quotas.limits import limits_of
from apps.accounts.quotas.model import Meter

#: Longest time that a request waits for another one of its user, as far as rates allow for it.
WAIT_FOR_EACH_OTHER = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A limit of actions in a time.

    Parameters:
      limit: Name of the limit in `Limits`.
      column: Column of `Meter` with the level.
      noun: Word for one of them.
      sentence: Sentence for the user, with `{used}` and `{wait}`.
    """

    limit: str
    column: str
    period: timedelta
    noun: str
    sentence: str

    def free_by(self, *, limit: int, now: datetime) -> datetime:
        """Return the latest level at which one more is taken.

        Requests at once read their clocks before they wait for each other, so an earlier one may be behind a later one.
        """
        share = self.period / limit
        return now + (limit - 1) * share + min(WAIT_FOR_EACH_OTHER, share / 2)

    def wrong_from(self, *, now: datetime) -> datetime:
        """Return the time from which on a level must come from a clock that is wrong. Such a level is ignored."""
        return now + 2 * self.period

    def refusal(self, level: datetime | None, *, limit: int, now: datetime) -> NotNowError | None:
        """Return the error for a level at which no more is taken. None: one more is taken."""
        if level is None or level >= self.wrong_from(now=now):
            return None
        wait = level - self.free_by(limit=limit, now=now)
        if wait <= timedelta():
            return None
        used = f"{limit:,} {self.noun}{'' if limit == 1 else 's'}"
        return NotNowError(self.sentence.replace("{used}", used), wait=wait.total_seconds())


UPLOADS = Rate(
    limit="uploads_a_minute",
    column="uploads_free_at",
    period=timedelta(minutes=1),
    noun="document",
    sentence="You have added {used} within a minute, as many as you may. Add the next one in {wait}.",
)
REPORTS = Rate(
    limit="reports_an_hour",
    column="reports_free_at",
    period=timedelta(hours=1),
    noun="report",
    sentence="You have started {used} within an hour, as many as you may. Start the next one in {wait}.",
)


def lock(user_id: int) -> Meter:
    """Lock a user's meter until the transaction ends.

    Of two requests of the user, the second then counts what the first has written. It is the first lock that a
    transaction takes, so that no two wait for each other.
    """
    locked = Meter.objects.select_for_update()
    meter = locked.filter(pk=user_id).first()
    if meter is None:
        Meter.objects.bulk_create([Meter(user_id=user_id)], ignore_conflicts=True)
        meter = locked.get(pk=user_id)
    return meter


def check(rate: Rate, *, user_id: int) -> None:
    """Check that the rate takes one more. Nothing is counted.

    Raises:
      NotNowError: It does not.
    """
    limit: int = getattr(limits_of(user_id), rate.limit)
    if not limit:
        return
    level = Meter.objects.filter(pk=user_id).values_list(rate.column, flat=True).first()
    refusal = rate.refusal(level, limit=limit, now=timezone.now())
    if refusal is not None:
        raise refusal


def count(rate: Rate, *, user_id: int) -> None:
    """Count one more.

    Raises:
      NotNowError: The rate takes no more. Nothing is counted, so waiting always helps.
    """
    limit: int = getattr(limits_of(user_id), rate.limit)
    if not limit:
        return
    now, share, column = timezone.now(), rate.period / limit, rate.column
    has_room = (
        Q((column, None))
        | Q((f"{column}__lte", rate.free_by(limit=limit, now=now)))
        | Q((f"{column}__gte", rate.wrong_from(now=now)))
    )
    is_used = Q((f"{column}__gt", now), (f"{column}__lt", rate.wrong_from(now=now)))
    level = Case(When(is_used, then=F(column) + share), default=Value(now + share), output_field=DateTimeField())
    if Meter.objects.filter(has_room, pk=user_id).update(**{column: level}):
        return
    meter, _ = Meter.objects.get_or_create(user_id=user_id)
    refusal = rate.refusal(getattr(meter, column), limit=limit, now=now)
    if refusal is not None:
        raise refusal
    # The row is new.
    count(rate, user_id=user_id)
