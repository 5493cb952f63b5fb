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

NOTHING = "–"


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


def moment(time: datetime | None) -> SafeString | str:
    """A point in time, to the second."""
    if time is None:
        return NOTHING
    local = timezone.localtime(time)
    return format_html(
        '<time datetime="{}" class="whitespace-nowrap">{}</time>', local.isoformat(), date_format(local, "j M Y, H:i:s")
    )


def block(text: str) -> SafeString | str:
    """Text as it is, line by line, in a box that scrolls."""
    return format_html('<pre class="task-block" tabindex="0">{}</pre>', text) if text else NOTHING


def json_block(value: Any) -> SafeString | str:
    """A JSON value, indented, in a box that scrolls."""
    return block(json.dumps(value, indent=2, ensure_ascii=False))
