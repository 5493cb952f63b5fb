"""Points in time, as people and settings write them."""

from datetime import UTC, datetime


def parse(text: str) -> datetime:
    """The moment that an ISO 8601 text names. Without an offset it is UTC.

    Raises:
      ValueError: It is no such text.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
