"""The options of a send, in words. Arguments of nested messages are not shown: they may be secret."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple, TypeGuard

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import duration, ledger, masking
from apps.tasks.admin import elements
from apps.tasks.models import Schedule, TaskGroup, TaskStatus
from apps.tasks.values import GROUP_KEY, GroupProgress


class Line(NamedTuple):
    """A part of the options of a send.

    Parameters:
      names: Options that it tells.
    """

    label: Any
    text: Any
    names: tuple[str, ...] = ()


def lines(task: TaskStatus) -> list[Line]:
    """Return the options of a task's send. Options without words of their own are in a last line, as JSON."""
    found = [line for part in PARTS for line in part(task)]
    told = {name for line in found for name in line.names}
    if getattr(task, "hides_arguments", False):
        # Options without words of their own may quote arguments.
        return found
    options = masking.shown_options(task)
    if not isinstance(options, dict):
        return [*found, Line(_("options"), elements.json_block(options))]
    others = {name: value for name, value in options.items() if name not in told and name not in INTERNAL}
    return [*found, Line(_("other options"), elements.json_block(others))] if others else found


def as_list(found: list[Line]) -> SafeString:
    """Return lines as a list of names and texts."""
    rows = ((str(line.label).capitalize(), line.text) for line in found)
    return format_html('<dl class="task-options">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))


# --- Parts, in the order of the page --------------------------------------------------------------
def priority(task: TaskStatus) -> Iterator[Line]:
    if task.priority:
        yield Line(_("priority"), gettext("%(number)s (lower runs first)") % {"number": task.priority})


def start(task: TaskStatus) -> Iterator[Line]:
    """Yield the delay, and the time after which the task does not start any more."""
    yield from _durations(task, {"delay": _("delay")})
    if task.expires_at:
        wait = duration.in_words(task.expires_at - task.created_at)
        text = format_html(
            gettext("{time}, {wait} after it was sent"), time=elements.timestamp(task.expires_at), wait=wait
        )
        yield Line(_("starts before"), text, ("expires",))


def limit(task: TaskStatus) -> Iterator[Line]:
    """Yield the key of its actor's limit, and the places that it takes."""
    if task.line:
        yield Line(_("key of its limit"), masking.shown_line(task))
    if task.weight != 1:
        yield Line(_("weight"), gettext("%(count)s places") % {"count": elements.number(task.weight)})


def retries(task: TaskStatus) -> Iterator[Line]:
    options = _options(task)
    if "max_retries" in options:
        limit = options["max_retries"]
        if limit is None:
            yield Line(_("automatic retries"), gettext("without a limit"), ("max_retries",))
        elif _is_number(limit):
            yield Line(_("automatic retries"), gettext("%(limit)s at most") % {"limit": limit}, ("max_retries",))
    yield from _durations(task, {"min_backoff": _("shortest wait before a retry")})
    yield from _durations(task, {"max_backoff": _("longest wait before a retry")})


def time_limit(task: TaskStatus) -> Iterator[Line]:
    yield from _durations(task, {"time_limit": _("time limit")})


def group(task: TaskStatus) -> Iterator[Line]:
    """Yield the other members of its group, their number in each state, and the group's callbacks."""
    key = _options(task).get(GROUP_KEY)
    if not isinstance(key, str):
        return
    found = TaskGroup.objects.filter(key=key).first()
    if found is None:
        yield Line(_("group"), gettext("It ended a while ago, and its row is deleted."), (GROUP_KEY,))
        return
    progress = ledger.progress_of(TaskGroup.objects.filter(pk=found.pk))[key]
    href = f"{reverse('admin:tasks_taskstatus_changelist')}?{urlencode({'group': key})}"
    members = elements.link(href, elements.counted(MEMBERS, progress.total))
    yield Line(_("group"), format_html("{}: {}", members, in_words(progress)), (GROUP_KEY,))
    if isinstance(found.callbacks, list) and found.callbacks:
        named = [f"{one['message']['actor_name']} ({WHEN[one['on']]})" for one in found.callbacks]
        yield Line(_("after the group"), ", ".join(named))


def pipeline(task: TaskStatus) -> Iterator[Line]:
    """Yield the actors of the messages that follow in a pipeline."""
    chain = []
    target = _options(task).get("pipe_target")
    while isinstance(target, dict) and isinstance(target.get("actor_name"), str):
        chain.append(target["actor_name"])
        following = target.get("options")
        target = following.get("pipe_target") if isinstance(following, dict) else None
    if chain:
        yield Line(_("next in its pipeline"), " → ".join(chain), ("pipe_target",))
    if _options(task).get("pipe_ignore") is True:
        yield Line(_("result before it"), gettext("not taken as an argument"), ("pipe_ignore",))


def callbacks(task: TaskStatus) -> Iterator[Line]:
    for name, label in CALLBACKS.items():
        actor_name = _options(task).get(name)
        if isinstance(actor_name, str):
            yield Line(label, actor_name, (name,))


def schedule(task: TaskStatus) -> Iterator[Line]:
    """Yield the schedule that sent it, with a link unless it is deleted."""
    name = _options(task).get("schedule")
    if isinstance(name, str):
        pk = Schedule.objects.filter(name=name).values_list("pk", flat=True).first()
        href = reverse("admin:tasks_schedule_change", args=[pk]) if pk else ""
        yield Line(_("sent by schedule"), elements.link(href, name) if href else name, ("schedule",))


def result(task: TaskStatus) -> Iterator[Line]:
    stored = _options(task).get("store_results")
    if isinstance(stored, bool):
        yield Line(_("result"), gettext("stored") if stored else gettext("not stored"), ("store_results",))


PARTS: tuple[Callable[[TaskStatus], Iterator[Line]], ...] = (
    priority, start, limit, retries, time_limit, group, pipeline, callbacks, schedule, result,
)  # fmt: skip

#: Options of earlier versions for groups.
INTERNAL = ("group_completion_uuid", "group_completion_callbacks")

CALLBACKS = {
    "on_success": _("after each success"),
    "on_failure": _("after each failed attempt"),
    "on_retry_exhausted": _("after the last retry"),
}
WHEN = {ledger.SUCCESS: _("when all have completed"), ledger.FINISHED: _("when all have ended")}
MEMBERS = ngettext_lazy("%(count)s member", "%(count)s members", "number")
COUNTS = {
    "completed": _("%(count)s completed"),
    "failed": _("%(count)s failed"),
    "cancelled": _("%(count)s cancelled"),
    "running": _("%(count)s held by a worker"),
    "waiting": _("%(count)s waiting"),
}


def in_words(progress: GroupProgress) -> str:
    """Return the number of members in each state, such as `3 completed, 1 failed`."""
    counts = ((getattr(progress, name), words) for name, words in COUNTS.items())
    return ", ".join(words % {"count": elements.number(count)} for count, words in counts if count)


def _durations(task: TaskStatus, labels: dict[str, Any]) -> Iterator[Line]:
    for name, label in labels.items():
        value = _options(task).get(name)
        if _is_number(value):
            yield Line(label, duration.in_words(timedelta(milliseconds=value)), (name,))


def _options(task: TaskStatus) -> dict[str, Any]:
    return task.options if isinstance(task.options, dict) else {}


def _is_number(value: Any) -> TypeGuard[float]:
    """Return whether the value is a number that a duration can have. A row may hold anything."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**14
