"""A time in a hidden field of a form."""

from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime


def parse(text: str | None) -> datetime | None:
    """Return the time. None: there is none, or another program filled it in."""
    try:
        found = parse_datetime(text or "")
        # At either end of all times, another time zone may have no such time.
        return found.astimezone(UTC) if found is not None and found.tzinfo else None
    except (ValueError, OverflowError):
        return None
