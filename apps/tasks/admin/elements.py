"""The pieces of HTML that the ledger's pages are made of. All text is escaped here."""

import json
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.tasks import states

#: The kinds of label that Unfold colours, by a task's state. Others are grey.
STATUS_KINDS = {
    states.PENDING: "primary",
    states.PROCESSING: "info",
    states.COMPLETED: "success",
    states.FAILED: "danger",
    states.CANCELLED: "default",
}

NOTHING = "-"
#: Longer JSON is indented.
LINE_LENGTH = 80


def label(text: str, *, kind: str) -> SafeString:
    """A short text on a coloured ground, such as a state."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind})


def progress_bar(percent: int, *, status: str, name: str) -> SafeString:
    """How far a task is, as a bar in the colour of its state and as a number.

    Parameters:
      name: What the bar measures, for those who cannot see it.
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
    """A point in time, to the second.

    Parameters:
      short: To the minute, and without the year if it is this one. All of it shows when one points at it.
    """
    if time is None:
        return NOTHING
    local = timezone.localtime(time)
    exact = date_format(local, "j M Y, H:i:s")
    brief = "j M, H:i" if local.year == timezone.localtime().year else "j M Y, H:i"
    return format_html(
        '<time datetime="{}" title="{}" class="whitespace-nowrap">{}</time>',
        local.isoformat(),
        exact,
        date_format(local, brief) if short else exact,
    )


def unbroken(text: str) -> SafeString:
    """A short text that stays on one line."""
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def block(text: str) -> SafeString | str:
    """Text as it is, line by line, in a box that scrolls."""
    return format_html('<pre class="task-block" tabindex="0">{}</pre>', text) if text else NOTHING


def json_block(value: Any) -> SafeString | str:
    """A JSON value in a box that scrolls: in one line if it fits, else indented."""
    line = json.dumps(value, ensure_ascii=False)
    return block(line if len(line) <= LINE_LENGTH else json.dumps(value, indent=2, ensure_ascii=False))
