"""The page Failures: why tasks failed, the last cause first, with how often in each of some spans of time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import failures, permission, states
from apps.tasks.admin import elements
from apps.tasks.admin.action_pages import ERROR_START_LENGTH, OperatedAdmin
from apps.tasks.admin.actions import RETRY
from apps.tasks.admin.now.addresses import retry_of, tasks
from apps.tasks.models import Deploy, TaskStatus
from apps.tasks.statements import causes

#: Columns of the page by the names of their times in addresses: the titles, and the times.
COLUMNS = {"hour": _("1 h"), "3h": _("3 h"), "day": _("24 h"), "week": _("7 d")}
SPANS = {"hour": timedelta(hours=1), "3h": timedelta(hours=3), "day": timedelta(days=1), "week": timedelta(days=7)}
#: Causes of the page, and failures that are counted for one number.
MOST_CAUSES, MOST_COUNTED = 50, 1_000


class FailuresAdmin(OperatedAdmin):
    """Adds the page to the pages of tasks."""

    def get_urls(self) -> list[URLPattern]:
        own = [path("failures/", self.admin_site.admin_view(self.failures), name="tasks_failures")]
        return [*own, *super().get_urls()]

    def failures(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        now = timezone.now()
        longest = max(SPANS.values())
        found = causes.look(now - longest, limit=MOST_CAUSES + 1, most_counted=1, newest_first=True)
        shown = found.causes[:MOST_CAUSES]
        deploy = Deploy.objects.first()
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Failures"),
            "media": self.styles,
            "columns": list(COLUMNS.values()),
            "causes": rows_of(shown, now=now, deploy=deploy, may_retry=permission.may(request.user, RETRY.name)),
            "is_capped": len(found.causes) > MOST_CAUSES or found.is_partial,
            "most": elements.number(MOST_CAUSES),
            "deploy": deploy,
            "at": elements.timestamp(now),
        }
        return TemplateResponse(request, "tasks/now/failures.html", context)


def rows_of(
    found: list[causes.Cause], *, now: datetime, deploy: Deploy | None, may_retry: bool
) -> list[dict[str, Any]]:
    """Return the rows of the page, with what the last failure of each cause says."""
    names = [one.cause for one in found]
    times = [now - SPANS[name] for name in COLUMNS]
    numbers = causes.numbers(names, times, most_counted=MOST_COUNTED)
    first = causes.first_seen(names)
    last = last_of(found)
    return [
        {
            "name": last[one.pk].task_name,
            "error": said(last[one.pk]),
            "href": tasks(status__exact=states.FAILED, cause=one.cause),
            "numbers": [
                {
                    "text": counted(number, most=MOST_COUNTED) if number else elements.NOTHING,
                    "href": tasks(status__exact=states.FAILED, cause=one.cause, ended=name) if number else "",
                }
                for name, number in zip(COLUMNS, numbers.get(one.cause, (0,) * len(COLUMNS)), strict=True)
            ],
            "first": elements.timestamp(first.get(one.cause, one.first_at), short=True),
            "last": elements.timestamp(one.last_at, short=True),
            "is_new": deploy is not None and is_new(first.get(one.cause, one.first_at), deploy),
            "retry": retry_of(one.cause, span="week") if may_retry else "",
        }
        for one in found
        if one.pk in last
    ]


def last_of(found: Iterable[causes.Cause]) -> dict[int, Any]:
    """Return the last failure of each cause by its row id, with the start of its error."""
    columns = TaskStatus.objects.only("pk", "task_name", "error_type").annotate(
        error_start=Left("error_message", ERROR_START_LENGTH)
    )
    last: dict[int, Any] = columns.in_bulk([one.pk for one in found])
    return last


def is_new(first_at: datetime, deploy: Deploy) -> bool:
    """Return whether a cause came with a deploy: no failure that is kept is older."""
    return first_at >= deploy.at


def said(task: Any) -> str:
    """Return the first line of an error, with its class."""
    return failures.in_short(task.error_type, task.error_start)


def counted(number: int, *, most: int) -> str:
    """Return a number that is counted up to a limit."""
    return elements.number(min(number, most)) + ("+" if number > most else "")


def span_of(request: HttpRequest, *, usual: timedelta) -> timedelta:
    """Return the time that an address names."""
    return SPANS.get(request.GET.get("span", ""), usual)
