"""Cron texts and their slots, by the rules of Debian's cron. A slot is a UTC instant."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

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


class BadCronError(ValueError):
    """The text is no cron text of five fields."""


def fields_of(text: str) -> str:
    """The five fields of a cron text, its word expanded.

    Raises:
      BadCronError: An unknown word, or not five fields that cron knows.
    """
    stripped = text.strip().lower()
    fields = NAMED.get(stripped, stripped)
    if fields.startswith("@"):
        raise BadCronError(f"Unknown cron word {text!r}, must be one of: {', '.join(NAMED)}")
    if len(fields.split()) != 5:
        raise BadCronError(f"{text!r} has {len(fields.split())} fields, must have five: minute hour day month weekday")
    try:
        CronSim(fields, datetime.now(UTC))
    except CronSimError as error:
        raise BadCronError(f"{text!r} is not a cron text: {error}") from None
    return fields


def next_slot(text: str, after: datetime) -> datetime:
    """The first slot later than `after`."""
    return next(CronSim(fields_of(text), after)).astimezone(UTC)


def last_slot(text: str, now: datetime) -> datetime:
    """The last slot that is not later than `now`."""
    return next(CronSim(fields_of(text), now + timedelta(seconds=1), reverse=True)).astimezone(UTC)
