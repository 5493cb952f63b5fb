"""The clock of the schedules: the database's, so that all schedulers agree; faster where a test wants it."""

from datetime import UTC, datetime

from django.db import connection
from django.utils import timezone

from apps.tasks.conf import conf


def now() -> datetime:
    """The time, in UTC."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            timestamp: datetime = cursor.fetchone()[0].astimezone(UTC)
    else:
        # SQLite lives on this host.
        timestamp = timezone.now()
    return faster(timestamp)


def faster(timestamp: datetime) -> datetime:
    """The moment on the schedules' clock: the same, but where `SCHEDULER_CLOCK_SPEED` lets a second be more."""
    if conf.SCHEDULER_CLOCK_SPEED == 1:
        return timestamp
    start = conf.SCHEDULER_CLOCK_START
    return start + (timestamp - start) * conf.SCHEDULER_CLOCK_SPEED


def real_seconds(seconds: float) -> float:
    """How long so many seconds of the schedules' clock take."""
    return seconds / float(conf.SCHEDULER_CLOCK_SPEED)
