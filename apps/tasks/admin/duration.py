"""How long something took, as people say it."""

from datetime import timedelta


def in_words(duration: timedelta) -> str:
    """At most two units: `0.28 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`.

    Less than nothing, which clocks that differ can say, is nothing.
    """
    seconds = max(duration.total_seconds(), 0)
    if round(seconds, 2) < 10:
        return f"{seconds:.2f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {seconds} s"
    return f"{seconds} s"
