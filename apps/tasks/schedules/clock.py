"""The clock of the schedules: the database's, so that all schedulers agree. A test may let it run faster."""

from datetime import UTC, datetime

from django.db import connection
from django.utils import timezone

from apps.tasks.conf import conf


def now() -> datetime:
    """Return the time, in UTC."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            timestamp: datetime = cursor.fetchone()[0].astimezone(UTC)
    else:
        # SQLite lives on this host.
        timestamp = timezone.now()
    return faster(timestamp)


def faster(timestamp: datetime) -> datetime:
    """Return a timestamp on the schedules' clock. It differs only if `SCHEDULER_CLOCK_SPEED` is not 1."""
    if conf.SCHEDULER_CLOCK_SPEED == 1:
        return timestamp
    start = conf.SCHEDULER_CLOCK_START
    return start + (timestamp - start) * conf.SCHEDULER_CLOCK_SPEED


def real_seconds(seconds: float) -> float:
    """Convert seconds of the schedules' clock to real seconds."""
    return seconds / float(conf.SCHEDULER_CLOCK_SPEED)
