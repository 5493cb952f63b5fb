"""Tags of what a page shows, by which a page that asks again learns that nothing has changed."""

from hashlib import blake2b

#: Seconds for which times that grow stay as they are on a page, if nothing else changes.
STEADY_SECONDS = 15


def of(shown: str) -> str:
    """Return the tag of all that is shown, as a header has it."""
    return f'"{blake2b(shown.encode(), digest_size=12).hexdigest()}"'


def steady(seconds: float) -> int:
    """Return a number that stays the same for `STEADY_SECONDS`.

    Parameters:
      seconds: Seconds since 1970.
    """
    return int(seconds) // STEADY_SECONDS
