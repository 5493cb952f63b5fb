"""The log lines of a task on its page: those of the newest attempt, live while it runs, and those of earlier ones."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy

from apps.tasks import log_buffer, log_lines, permission, states
from apps.tasks.admin import elements, theme
from apps.tasks.models import TaskStatus

#: Lines on the page, of the newest attempt and of each earlier one. All are at an address of their own.
SHOWN_LINES, SHOWN_OF_EARLIER = 200, 50
#: Earlier attempts on the page.
EARLIER_ATTEMPTS = 5
#: Most digits of a number in the address.
MOST_DIGITS = 9

KEPT_LINES = ngettext_lazy("%(count)s line", "%(count)s lines", "number")
DROPPED = ngettext_lazy("%(count)s older line is not kept.", "%(count)s older lines are not kept.", "number")

#: Characters that steer a terminal or the direction of a text, by the signs that are shown for them.
SIGNS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
SIGNS |= dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F], 0xFFFD)


class LogAdmin(theme.ModelAdmin):
    """The section of a task's page, and the address that has its lines."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.log)
        return [path("<int:object_id>/log/", view, name="tasks_taskstatus_log"), *super().get_urls()]

    def log(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Return the lines of an attempt as text or, with `?after`, those after a number for the page."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request) or not permission.may(request.user, "view_arguments"):
            raise PermissionDenied
        task = self.get_queryset(request).filter(pk=object_id).first()
        if task is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))
            return gone
        attempt, after = (_number(request.GET.get(name, "")) for name in ("attempt", "after"))
        if "after" not in request.GET:
            log = log_lines.of(task, attempt)
            text = "".join(f"{line}\n" for line in _as_text(log))
            return HttpResponse(text, content_type="text/plain; charset=utf-8")
        return HttpResponse(_lines(task, log_lines.of(task, attempt, after), live_attempt=attempt))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        task = kwargs.get("obj")
        may_see = permission.may(request.user, "view_arguments")
        context["log_section"] = section(task) if task is not None and may_see else ""
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response


def section(task: TaskStatus) -> SafeString | str:
    """Return the section of a task's page about its log lines. Empty: it has none, and none will come."""
    attempts = log_lines.attempts_of(task)
    if not attempts and not _is_live(task):
        return ""
    newest = task.attempt if _is_live(task) else attempts[0]
    earlier = [attempt for attempt in attempts if attempt != newest]
    context = {
        "lines": _lines(task, log_lines.of(task, newest, limit=SHOWN_LINES), live_attempt=newest),
        "title": gettext("Log of attempt %(number)s") % {"number": newest + 1} if earlier else gettext("Log"),
        "earlier": [
            {
                "title": gettext("Attempt %(number)s") % {"number": attempt + 1},
                "lines": _lines(task, log_lines.of(task, attempt, limit=SHOWN_OF_EARLIER)),
            }
            for attempt in earlier[:EARLIER_ATTEMPTS]
        ],
        "others": [
            {"number": attempt + 1, "href": _address(task, attempt=attempt)} for attempt in earlier[EARLIER_ATTEMPTS:]
        ],
        "stopped": gettext("Not renewed since"),
    }
    return render_to_string("tasks/log/section.html", context)


def _lines(task: TaskStatus, log: log_lines.Log, *, live_attempt: int | None = None) -> SafeString:
    """Return the lines as a list.

    Parameters:
      live_attempt: The attempt whose further lines the page asks for.
    """
    is_live = live_attempt == task.attempt and _is_live(task)
    number = len(log.lines)
    context = {
        "lines": [
            {
                "time": _time(line),
                "level": line.level,
                "logger": line.logger.translate(SIGNS),
                "text": line.text.translate(SIGNS),
            }
            for line in log.lines
        ],
        "dropped": elements.counted(DROPPED, log.dropped) if log.dropped else "",
        "all_href": _address(task, attempt=log.attempt),
        "left_out": elements.counted(KEPT_LINES, log.left_out + number) if log.left_out else "",
        "next": _address(task, attempt=log.attempt, after=log.cursor) if is_live else "",
    }
    return SafeString(render_to_string("tasks/log/lines.html", context))


def _is_live(task: TaskStatus) -> bool:
    return task.status == states.PROCESSING and log_buffer.is_kept(task.task_name)


def _address(task: TaskStatus, **query: int) -> str:
    return f"{reverse('admin:tasks_taskstatus_log', args=[task.pk])}?{urlencode(query)}"


def _time(line: log_lines.ShownLine) -> SafeString:
    local = timezone.localtime(line.time)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(timespec="milliseconds"),
        f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03}",
        f"{local:%H:%M:%S}",
    )


def _as_text(log: log_lines.Log) -> list[str]:
    """Return an attempt's lines for a browser that shows them as text."""
    head = [elements.counted(DROPPED, log.dropped)] if log.dropped else []
    return head + [
        f"{line.time.isoformat(timespec='milliseconds')} {line.level} {line.logger} {line.text}".translate(SIGNS)
        for line in log.lines
    ]


def _number(text: str) -> int | None:
    """Return a number of the address. None: it is none. `-1` is before the first line."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS else None
