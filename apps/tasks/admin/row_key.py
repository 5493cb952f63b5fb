"""The key of a row in a URL or a form."""

#: Number of digits of the largest key.
MOST_DIGITS = 19


def parse(text: str) -> int | None:
    """Return the key, or None if the text cannot be one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None
