"""Words that several reasons share."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from apps.tasks import duration

#: Characters of an error in a sentence, at most.
ERROR_LENGTH = 160


def at(time: datetime) -> str:
    """Return a time: that of the day if it is today's, else with the date."""
    local = timezone.localtime(time)
    return date_format(local, "H:i:s" if local.date() == timezone.localdate() else "j M Y, H:i:s")


def lasting(time: timedelta) -> str:
    """Return a duration in words."""
    return duration.in_words(time)


def count(number: int, *, is_capped: bool = False) -> str:
    """Return a number, with a plus if it is a lower bound."""
    shown = number_format(number, force_grouping=True)
    return _("%(count)s+") % {"count": shown} if is_capped else shown


def counted(message: Any, number: int, *, is_capped: bool = False, **values: Any) -> str:
    """Fill in a message of `ngettext_lazy(..., ..., "number")` that shows its number as `%(count)s`."""
    return str(message % {"number": number, "count": count(number, is_capped=is_capped), **values})


def cut(text: str) -> str:
    """Return the first line of an error, cut after `ERROR_LENGTH` characters and without the full stop at its end."""
    line = text.strip().partition("\n")[0]
    return line[:ERROR_LENGTH].rstrip() + "…" if len(line) > ERROR_LENGTH else line.rstrip(".")
