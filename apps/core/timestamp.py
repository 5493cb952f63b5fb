"""Read timestamps that people and settings write."""

from datetime import UTC, datetime


def parse(text: str) -> datetime:
    """Return the timestamp of an ISO 8601 text. Without an offset it is in UTC.

    Raises:
      ValueError: The text is no ISO 8601 timestamp.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
