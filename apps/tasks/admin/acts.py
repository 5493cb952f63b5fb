"""Who did what to a task, on its page."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy

from apps.tasks import audit
from apps.tasks.admin import elements
from apps.tasks.audit import Noted
from apps.tasks.models import TaskStatus

OTHERS = ngettext_lazy("with %(count)s other task", "with %(count)s other tasks", "number")


def of(task: TaskStatus) -> list[Noted]:
    """Return the acts on the task. They are read once."""
    if not hasattr(task, "last_acts"):
        task.last_acts = audit.of(task)  # type: ignore[attr-defined]
    found: list[Noted] = task.last_acts  # type: ignore[attr-defined]
    return found


def as_list(task: TaskStatus) -> SafeString:
    """Return the acts as a list, the newest first."""
    items = ((_line(act), elements.paragraph(act.reason) if act.reason else "") for act in of(task))
    return format_html('<ul class="task-acts">{}</ul>', format_html_join("", "<li>{}{}</li>", items))


def _line(act: Noted) -> SafeString:
    did = f"{act.text}: {act.value}" if act.value else act.text
    others = f", {elements.counted(OTHERS, act.others)}" if act.others else ""
    told = gettext("{did} by {name} ({door}{others}), {time}")
    return format_html(told, did=did, name=act.name, door=act.door, others=others, time=elements.timestamp(act.at))
