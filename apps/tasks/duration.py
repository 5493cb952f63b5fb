"""Durations in words."""

from datetime import timedelta

from django.utils.formats import number_format
from django.utils.translation import gettext as _


def in_words(duration: timedelta) -> str:
    """Return at most two units: `0.28 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`.

    A negative duration, which clocks that differ can give, counts as none.
    """
    seconds = max(duration.total_seconds(), 0)
    if round(seconds, 2) < 10:
        return _("%(seconds)s s") % {"seconds": number_format(seconds, 2)}
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
    if days:
        return _("%(days)s d %(hours)s h") % parts
    if hours:
        return _("%(hours)s h %(minutes)s min") % parts
    if minutes:
        return _("%(minutes)s min %(seconds)s s") % parts
    return _("%(seconds)s s") % parts
