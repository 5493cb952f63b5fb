"""The key of a row, as an address or a form gives it."""

#: Longer ones are no number of a row.
MOST_DIGITS = 19


def parse(text: str) -> int | None:
    """The key, or None where the text cannot be one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None
