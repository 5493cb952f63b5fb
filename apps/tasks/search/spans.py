"""Spans of time: `3h` is the last three hours, `2026-11-27` a day, `2d..1d` between two times, `2d..` from one on."""

import re
from datetime import datetime, time, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from apps.tasks.search.errors import SearchError, shown

UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
#: Longest time ago.
MOST = timedelta(days=36_500)
_AGO = re.compile(r"(\d{1,9})(s|min|m|h|d|w)", re.ASCII | re.IGNORECASE)


def span(word: str, value: str, *, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the first time of a span, and the first time after it. None: it has no such end.

    Raises:
      SearchError: The value is no span.
    """
    first, dots, last = value.partition("..")
    if not dots:
        since, until = _time(word, value, now=now)
    else:
        since = _time(word, first, now=now)[0] if first else None
        until = (_time(word, last, now=now)[1] or _time(word, last, now=now)[0]) if last else None
        if since is None and until is None:
            raise _refused(word, value)
    if since is not None and until is not None and since >= until:
        raise SearchError(_("The span %(value)s ends before it begins") % {"value": f"{word}:{value}"})
    return since, until


def _time(word: str, value: str, *, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return a time, and the end of the day if it is one."""
    try:
        if found := _AGO.fullmatch(value):
            ago = timedelta(**{UNITS[found[2].lower()]: int(found[1])})
            if ago > MOST:
                raise ValueError
            return now - ago, None
        if (day := parse_date(value)) is not None:
            return _aware(datetime.combine(day, time.min)), _aware(datetime.combine(day + timedelta(days=1), time.min))
        # A form may send "2026-11-27 14:00" or "2026-11-27T14:00".
        if (at := parse_datetime(value)) is not None:
            return (at if timezone.is_aware(at) else _aware(at)), None
    except (ValueError, OverflowError):
        pass
    raise _refused(word, value)


def _aware(at: datetime) -> datetime:
    found = timezone.make_aware(at)
    found.astimezone(timezone.get_fixed_timezone(0))  # A time at the end of the calendar has no such other one.
    return found


def _refused(word: str, value: str) -> SearchError:
    message = _(
        "%(value)s is no span of %(word)s, must be like 30m, 3h, 2d, 1w (at most 100 years), 2026-11-27, "
        "2026-11-27T14:00 or two of these with .. between them"
    )
    return SearchError(message % {"value": shown(value), "word": word})
