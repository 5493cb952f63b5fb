"""Pieces of HTML that the pages of tasks are made of. All text is escaped here."""

import json
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from apps.tasks import states
from apps.tasks.admin import theme

#: Kinds of label by a task's state.
STATUS_KINDS = {
    states.PENDING: "primary",
    states.PROCESSING: "info",
    states.COMPLETED: "success",
    states.FAILED: "danger",
    states.CANCELLED: "default",
}

NOTHING = "-"
#: Length in characters above which JSON is indented.
LINE_LENGTH = 80
#: Characters of a text that a page shows, at most. It may have megabytes.
MOST_TEXT = 100_000

label = theme.label


def number(value: int) -> str:
    """Return a whole number with thousands separators."""
    return number_format(value, force_grouping=True)


def counted(message: Any, count: int, **values: Any) -> str:
    """Fill in a message of `ngettext_lazy(..., ..., "number")` that shows its number as `%(count)s`."""
    return str(message % {"number": count, "count": number(count), **values})


def in_zone(message: Any) -> Any:
    """Fill in the page's time zone as `%(zone)s`, lazily: it may differ from request to request."""
    return lazy(lambda: message % {"zone": timezone.get_current_timezone_name()}, str)()


def named(name: Any, note: Any) -> SafeString:
    """Return a name with a note below it."""
    return format_html('<span class="task-name">{}</span><span class="task-note">{}</span>', name, note)


def cut(text: str) -> str:
    """Return the start of a text that is too long for a page, and how much is missing."""
    if len(text) <= MOST_TEXT:
        return text
    missing = counted(ngettext_lazy("%(count)s character", "%(count)s characters", "number"), len(text) - MOST_TEXT)
    return _("%(text)s… and %(missing)s more") % {"text": text[:MOST_TEXT], "missing": missing}


def paragraph(text: Any, *, is_error: bool = False) -> SafeString:
    """Return text that keeps its line breaks."""
    return format_html('<p class="task-text{}">{}</p>', " task-error" if is_error else "", cut(str(text)))


def link(href: str, text: Any) -> SafeString:
    return format_html('<a href="{}" class="text-link">{}</a>', href, text)


def progress_bar(percent: int, *, status: str, name: str) -> SafeString:
    """Return a task's progress as a bar in the colour of its state and as a number.

    Parameters:
      name: Name of the bar for people who cannot see it.
    """
    return format_html(
        '<span class="task-progress" data-status="{status}">'
        '<span class="task-progress-track" role="progressbar" aria-label="{name}" aria-valuenow="{percent}"'
        ' aria-valuemin="0" aria-valuemax="100"><span style="width: {percent}%"></span></span>'
        '<span class="task-progress-percent" aria-hidden="true">{percent}%</span>'
        "</span>",
        status=status,
        name=name,
        percent=percent,
    )


def timestamp(time: datetime | None, *, short: bool = False) -> SafeString | str:
    """Return a time, to the second.

    Parameters:
      short: To the minute, and without the year if it is this one. A tooltip has all of it.
    """
    if time is None:
        return NOTHING
    local = timezone.localtime(time)
    brief = "j M, H:i" if local.year == timezone.localtime().year else "j M Y, H:i"
    return format_html(
        '<time datetime="{}" title="{}" class="task-unbroken">{}</time>',
        local.isoformat(),
        exact(time),
        date_format(local, brief) if short else exact(time),
    )


def exact(time: datetime) -> str:
    """Return a time as plain text, to the second."""
    return date_format(timezone.localtime(time), "j M Y, H:i:s")


def pause_text(pause: Any) -> str:
    """Return in a sentence since when a queue or an actor is paused, by whom and why."""
    texts = {
        (True, True): _("%(name)s is paused since %(time)s by %(by)s: %(why)s"),
        (True, False): _("%(name)s is paused since %(time)s by %(by)s."),
        (False, True): _("%(name)s is paused since %(time)s: %(why)s"),
        (False, False): _("%(name)s is paused since %(time)s."),
    }
    time = date_format(timezone.localtime(pause.since), "j M, H:i")
    # Set apart, since they may turn the direction of what follows.
    by, why = (f"\u2068{text}\u2069" for text in (pause.by, pause.why))
    words = {"name": pause.name, "time": time, "by": by, "why": why}
    return texts[bool(pause.by), bool(pause.why)] % words


def unbroken(text: str) -> SafeString:
    """Return a short text that stays on one line."""
    return format_html('<span class="task-unbroken">{}</span>', text)


def block(text: str) -> SafeString | str:
    """Return text as it is, line by line, in a box that scrolls."""
    return format_html('<pre class="task-block" tabindex="0">{}</pre>', cut(text)) if text else NOTHING


def json_block(value: Any) -> SafeString | str:
    """Return a JSON value in a box that scrolls: in one line if it fits, else indented."""
    line = json.dumps(value, ensure_ascii=False)
    return block(line if len(line) <= LINE_LENGTH else json.dumps(value, indent=2, ensure_ascii=False))
