"""Tracebacks of failures, with the calls of libraries folded."""

import sysconfig
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.tasks.admin import elements
from apps.tasks.admin.stack import FOLDED

#: Characters of a traceback that are shown, of its end.
LENGTH = 20_000
FRAME = '  File "'
#: Parts of the paths of libraries, wherever the worker had them.
LIBRARY_PARTS = ("/site-packages/", "/dist-packages/", "<frozen ")


class Part(NamedTuple):
    """Lines of a traceback that belong together: one call with its source, or other text."""

    is_library: bool
    text: str


def shown(traceback: str) -> SafeString:
    """Return a traceback with a button that copies all of it. A script shows the button."""
    text = traceback[-LENGTH:]
    parts = [
        (_folded(list(group)) if is_library else elements.block("\n".join(part.text for part in group)),)
        for is_library, group in groupby(_parts(text), key=lambda part: part.is_library)
    ]
    note = elements.paragraph(_("Its beginning is cut.")) if len(traceback) > LENGTH else ""
    return format_html(
        '<div class="task-trace" data-copied>{}{}<button type="button" class="task-copy" data-copy hidden>{}</button>'
        "</div>",
        note,
        format_html_join("", "{}", parts),
        _("Copy"),
    )


def details(traceback: str) -> SafeString | str:
    """Return a traceback that is folded as a whole. Empty: there is none."""
    if not traceback:
        return ""
    return format_html(
        '<details class="task-details"><summary>{}</summary>{}</details>', _("Traceback"), shown(traceback)
    )


def _folded(parts: list[Part]) -> SafeString:
    return format_html(
        '<details class="task-details"><summary>{}</summary>{}</details>',
        elements.counted(FOLDED, len(parts)),
        elements.block("\n".join(part.text for part in parts)),
    )


def _parts(text: str) -> Iterator[Part]:
    lines: list[str] = []
    for line in text.splitlines():
        # A call is its first line and all that is indented further.
        if lines and (line.startswith(FRAME) or (lines[0].startswith(FRAME) and not line.startswith("    "))):
            yield _part(lines)
            lines = []
        lines.append(line)
    if lines:
        yield _part(lines)


def _part(lines: list[str]) -> Part:
    path = lines[0][len(FRAME) :].partition('"')[0] if lines[0].startswith(FRAME) else ""
    return Part(bool(path) and _is_library(path), "\n".join(lines))


def _is_library(path: str) -> bool:
    return any(part in path for part in LIBRARY_PARTS) or path.startswith(_folders())


@cache
def _folders() -> tuple[str, ...]:
    """Return the folders of Python's library and of the task system."""
    tasks = Path(__file__).resolve().parents[2]
    found = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return tuple(f"{folder}/" for folder in (*found, tasks, tasks.parents[1] / "workers"))
