"""Reading time."""


def minutes(words: int, *, words_per_minute: int) -> float:
    """Return the reading time in minutes, to the hundredth."""
    return round(words / words_per_minute, 2)
