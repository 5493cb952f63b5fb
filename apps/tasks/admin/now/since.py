"""The page "Since the deploy": what each actor did before a deploy and since, the largest changes first."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks import code_version, duration, figures
from apps.tasks.admin import elements, row_key
from apps.tasks.admin.action_pages import OperatedAdmin
from apps.tasks.admin.now import failures
from apps.tasks.admin.now.addresses import tasks
from apps.tasks.figures import Counts
from apps.tasks.models import Deploy, TaskStatus
from apps.tasks.statements import causes

#: Least and longest time that is compared.
LEAST, LONGEST = timedelta(hours=1), timedelta(days=7)
#: Deploys that can be chosen, actors and new causes that are shown.
MOST_DEPLOYS, MOST_ACTORS, MOST_CAUSES = 12, 100, 20
#: Titles of the columns.
COLUMNS = (_("Ended an hour"), _("Failed"), _("Run, half"), _("Run, 95 %"), _("Wait, half"), _("Wait, 95 %"))
#: Ends of tasks on both sides below which a change of times or of the share of failures says little.
FEW = 5
#: Part by which a number changes before it is marked.
MARKED = 1.5


@dataclass(frozen=True, kw_only=True)
class Spans:
    """The times that are compared.

    Parameters:
      before: Start of the time before the deploy.
      at: The deploy, to the minute.
      until: End of the time since.
    """

    before: datetime
    at: datetime
    until: datetime

    @classmethod
    def of(cls, deploy: Deploy, following: Deploy | None) -> "Spans":
        at = deploy.at.replace(second=0, microsecond=0)
        end = following.at.replace(second=0, microsecond=0) if following is not None else timezone.now()
        until = min(max(end, at + timedelta(minutes=1)), at + LONGEST)
        return cls(before=at - max(until - at, LEAST), at=at, until=until)


class SinceAdmin(OperatedAdmin):
    """Adds the page to the pages of tasks."""

    def get_urls(self) -> list[URLPattern]:
        own = [path("deploy/", self.admin_site.admin_view(self.since_deploy), name="tasks_deploy")]
        return [*own, *super().get_urls()]

    def since_deploy(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        deploy = chosen(request.GET.get("number", ""))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Since the deploy"),
            "media": self.styles,
            "columns": COLUMNS,
            "deploy": deploy,
            "version": code_version.of_this_code(),
            **(self._compared(deploy) if deploy is not None else {}),
        }
        return TemplateResponse(request, "tasks/now/since.html", context)

    def _compared(self, deploy: Deploy) -> dict[str, Any]:
        following = Deploy.objects.filter(number__gt=deploy.number).order_by("number").first()
        spans = Spans.of(deploy, following)
        before, since = (figures.between(*span) for span in ((spans.before, spans.at), (spans.at, spans.until)))
        found = compare(before, since, hours=(_hours(spans.at - spans.before), _hours(spans.until - spans.at)))
        return {
            "deploys": [
                (one, elements.timestamp(one.at, short=True), one == deploy)
                for one in Deploy.objects.all()[:MOST_DEPLOYS]
            ],
            "at": elements.timestamp(deploy.at),
            "is_over": following is not None or spans.until == spans.at + LONGEST,
            "before_text": duration.in_words(spans.at - spans.before),
            "since_text": duration.in_words(spans.until - spans.at),
            "actors": [one | {"cells": zip(COLUMNS, one["cells"], strict=True)} for one in found[:MOST_ACTORS]],
            "more": max(0, len(found) - MOST_ACTORS),
            "new_causes": new_causes(spans),
        }


def chosen(number: str) -> Deploy | None:
    """Return the deploy of an address, or the last one."""
    key = row_key.parse(number)
    found = None if key is None else Deploy.objects.filter(number=key).first()
    return found or Deploy.objects.first()


def new_causes(spans: Spans) -> list[dict[str, Any]]:
    """Return the causes whose first failure came with the deploy."""
    found = causes.since(spans.at, limit=MOST_CAUSES * 5, most_counted=failures.MOST_COUNTED)
    first = causes.first_seen(one.cause for one in found)
    new = [one for one in found if spans.at <= first.get(one.cause, one.first_at) < spans.until][:MOST_CAUSES]
    last = failures.last_of(new)
    return [
        {
            "name": last[one.pk].task_name,
            "error": failures.said(last[one.pk]),
            "number": failures.counted(one.number, most=failures.MOST_COUNTED),
            "first": elements.timestamp(first.get(one.cause, one.first_at), short=True),
            "href": tasks(status__exact=TaskStatus.STATUS_FAILED, cause=one.cause),
        }
        for one in new
        if one.pk in last
    ]


# --- Comparison ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Change:
    """A number before and since.

    Parameters:
      change: The logarithm of the factor by which it grew. 0: it did not, or nothing can be said.
      is_bad: Whether more is worse.
    """

    before: str
    since: str
    change: float = 0.0
    is_bad: bool = False

    @property
    def mark(self) -> str:
        """`worse` or `better` if it changed by much, else an empty text."""
        if not self.is_bad or abs(self.change) < math.log2(MARKED):
            return ""
        return "worse" if self.change > 0 else "better"


def compare(before: dict[str, Counts], since: dict[str, Counts], *, hours: tuple[float, float]) -> list[dict[str, Any]]:
    """Return what each actor did before and since, the largest changes first."""
    found = []
    for name in {*before, *since}:
        old, new = before.get(name, Counts()), since.get(name, Counts())
        if not _ended(old) and not _ended(new):
            continue
        cells = list(_cells(old, new, hours=hours))
        size = max(abs(cell.change) * (2 if cell.is_bad else 1) for cell in cells)
        found.append((size, name, cells))
    found.sort(key=lambda one: (-one[0], one[1]))
    return [{"name": name, "href": tasks(task=name), "cells": cells} for _size, name, cells in found]


def _cells(old: Counts, new: Counts, *, hours: tuple[float, float]) -> Iterable[Change]:
    is_told = _ended(old) >= FEW and _ended(new) >= FEW
    rates = _ended(old) / hours[0], _ended(new) / hours[1]
    yield Change(before=_rate(rates[0]), since=_rate(rates[1]), change=_factor(*rates))
    shares = old.failed / max(1, _ended(old)), new.failed / max(1, _ended(new))
    # A hundredth more or less of all tasks is the smallest change: one failure of a thousand is none.
    change = _factor(shares[0] + 0.01, shares[1] + 0.01) if is_told else 0.0
    yield Change(before=_share(old, shares[0]), since=_share(new, shares[1]), change=change, is_bad=True)
    for quantile in (Counts.run_quantile, Counts.wait_quantile):
        for part in (0.5, 0.95):
            times = quantile(old, part), quantile(new, part)
            change = _factor(times[0] or 0.0, times[1] or 0.0) if is_told and None not in times else 0.0
            yield Change(before=_seconds(times[0]), since=_seconds(times[1]), change=change, is_bad=True)


def _ended(counts: Counts) -> int:
    return counts.completed + counts.failed


def _factor(before: float, since: float) -> float:
    """Return the logarithm of a growth, of which that from or to nothing is the largest."""
    if before == since:
        return 0.0
    if not before or not since:
        return math.copysign(5.0, since - before)
    return max(-5.0, min(5.0, math.log2(since / before)))


def _hours(time: timedelta) -> float:
    return max(time / timedelta(hours=1), 1 / 60)


def _rate(rate: float) -> str:
    return elements.number(round(rate)) if rate >= 10 or not rate else number_format(rate, 1)


def _share(counts: Counts, share: float) -> str:
    if not _ended(counts):
        return elements.NOTHING
    percent = number_format(100 * share, 1 if 0 < share < 0.1 else 0)
    return gettext("%(percent)s %%, %(count)s") % {"percent": percent, "count": elements.number(counts.failed)}


def _seconds(seconds: float | None) -> str:
    return elements.NOTHING if seconds is None else duration.in_words(timedelta(seconds=seconds))
