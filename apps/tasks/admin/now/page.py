"""The page, and its address."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import duration, figures, permission, states
from apps.tasks.admin import elements, hidden_time, links, waiting
from apps.tasks.admin.action_pages import OperatedAdmin
from apps.tasks.admin.actions import CANCEL, RETRY
from apps.tasks.admin.now import chart, failures, part, trouble
from apps.tasks.admin.now.addresses import retry_of, tasks
from apps.tasks.admin.now.failures import FailuresAdmin
from apps.tasks.admin.now.since import SinceAdmin
from apps.tasks.admin.paginator import CappedPaginator
from apps.tasks.admin.schedule import state as schedule_state
from apps.tasks.alerts.facts import Facts
from apps.tasks.figures import Counts, Series
from apps.tasks.models import TaskStatus, WorkerProcess
from apps.tasks.statements import causes, pending

#: Time in which the shown causes made tasks fail.
LATELY = timedelta(hours=1)
#: Rows of each table.
MOST_CAUSES, MOST_RUNNING, MOST_SCHEDULES, MOST_ACTORS = 8, 5, 3, 5

PERIODS = {figures.HOUR: _("1 h"), figures.DAY: _("24 h"), figures.WEEK: _("7 d")}
IN_WORDS = {figures.HOUR: _("last hour"), figures.DAY: _("last 24 hours"), figures.WEEK: _("last 7 days")}
#: Value of the filter by the time of the end that fits a period.
ENDED = {figures.HOUR: "hour", figures.DAY: "day", figures.WEEK: "week"}

WORKERS = ngettext_lazy("%(count)s worker", "%(count)s workers", "number")


class NowAdmin(FailuresAdmin, SinceAdmin, OperatedAdmin):
    """The page of the dashboard, beside the list of tasks."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("now/", view(self.now), name="tasks_now"),
            path("cause/<str:cause>/retry/", view(self.retry_cause), name="tasks_cause_retry"),
        ]
        return [*own, *super().get_urls()]

    def now(self, request: HttpRequest) -> HttpResponse:
        """Return the page or, with `?part`, the part of it that changes."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        if "part" in request.GET:
            return self._part(request, most_seconds=part.KEPT_SECONDS).answer(request)
        # A message tells what the user has just done: the page is of afterwards.
        found = self._part(request, most_seconds=-1 if len(messages.get_messages(request)) else part.FRESH_SECONDS)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Now"),
            "media": self.styles,
            "part": found,
            "tasks_url": tasks(),
            "part_url": f"{reverse('admin:tasks_now')}?period={_period(request).name}&part=1",
        }
        answer = TemplateResponse(request, "tasks/now/page.html", context)
        answer.add_post_render_callback(part.without_indentation)
        return answer

    def retry_cause(self, request: HttpRequest, cause: str) -> HttpResponse:
        """Retry the tasks that failed lately for one cause. Ask first."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if not self.has_view_permission(request) or not permission.may(request.user, RETRY.name):
            raise PermissionDenied
        now = timezone.now()
        # Those that the question was about. Later failures were not meant.
        since = hidden_time.parse(request.POST.get("since")) or now - failures.span_of(request, usual=LATELY)
        until = hidden_time.parse(request.POST.get("until")) or now
        failed = self.get_queryset(request).filter(status=states.FAILED, cause=cause)
        back = reverse("admin:tasks_now")
        answer = self.ask_or_run(
            request,
            RETRY,
            failed.filter(finished_at__gte=since, finished_at__lte=until),
            is_confirmed="since" in request.POST,
            hidden=[("since", since.isoformat()), ("until", until.isoformat())],
            back=back,
            query=urlencode({"status__exact": states.FAILED, "cause": cause}),
        )
        return answer.page or HttpResponseRedirect(back)

    def _part(self, request: HttpRequest, *, most_seconds: float) -> part.Part:
        """Return the part that changes, as all users with these permissions see it."""
        may = tuple(permission.may(request.user, name) for name in (RETRY.name, CANCEL.name))
        closed = links.closed(request, self.admin_site)
        seen_by = (self.admin_site.name, may, closed)
        key = (*seen_by, _period(request).name, get_language(), timezone.get_current_timezone_name())

        def make() -> part.Part:
            return part.render(self._shown(request, closed), request, at=timezone.now())

        return part.shared(key, make, most_seconds=most_seconds)

    def _shown(self, request: HttpRequest, closed: tuple[str, ...]) -> dict[str, Any]:
        period = _period(request)
        schedules_url = links.unless_closed(reverse("admin:tasks_schedule_changelist"), closed)
        series, look = figures.over(period), Facts()
        last_hour = series if period is figures.HOUR else figures.over(figures.HOUR)
        waits, is_capped = count_waiting()
        return {
            "period": period.name,
            "periods": [(one.name, text, one is period) for one, text in PERIODS.items()],
            "period_text": IN_WORDS[period],
            "troubles": trouble.seen(trouble.of(look), closed=closed),
            "is_empty": not TaskStatus.objects.exists(),
            "processes": processes(look),
            "counts": list(counts(waits, last_hour, is_capped=is_capped)),
            "chart": chart.of(series, chart.deploys_of(series)),
            "deploy_url": reverse("admin:tasks_deploy"),
            "failures_url": reverse("admin:tasks_failures"),
            "is_behind": series.is_behind and series.counted_until is not None,
            "counted_until": elements.timestamp(series.counted_until),
            "times": times(series),
            "actors": actors(series),
            "causes": lately_failed(timezone.now() - LATELY),
            "may_retry": permission.may(request.user, RETRY.name),
            "may_cancel": permission.may(request.user, CANCEL.name),
            "running": running(),
            "schedules": schedules(look) if schedules_url else [],
            "tasks_url": tasks(),
            "schedules_url": schedules_url,
            "workers_url": links.unless_closed(reverse("admin:tasks_workerprocess_changelist"), closed),
        }


def index(request: HttpRequest) -> HttpResponse:
    """Return the dashboard to users who may see tasks, to others the admin's usual index. A view for `admin/`."""
    model_admin = admin.site._registry.get(TaskStatus)
    if (
        isinstance(model_admin, NowAdmin)
        and model_admin.has_view_permission(request)
        and request.method in ("GET", "HEAD")
    ):
        return model_admin.now(request)
    return admin.site.index(request)


def _period(request: HttpRequest) -> figures.Period:
    return figures.PERIODS.get(request.GET.get("period", ""), figures.HOUR)


# --- Counts --------------------------------------------------------------------------------------


def count_waiting() -> tuple[Counter[str], bool]:
    """Return the number of pending tasks of each kind of waiting, of the oldest ones, and whether there are more."""
    most = CappedPaginator.cap
    found: Counter[str] = Counter()
    for in_line, delayed, has_retried, has_line, number in pending.count(limit=most + 1):
        kind = waiting.kind_of(in_line=in_line, delayed=delayed, has_retried=has_retried, has_line=has_line)
        found[kind.name] += number
    return found, found.total() > most


def counts(waits: Counter[str], last_hour: Series, *, is_capped: bool) -> Iterable[dict[str, Any]]:
    """Yield the numbers at the top, each with the address of the list that has these tasks."""
    for kind in waiting.KINDS:
        number = waits[kind.name]
        if kind is waiting.PAUSE and not number:
            continue
        shown = elements.number(number)
        yield {
            "title": kind.title,
            "number": gettext("%(count)s+") % {"count": shown} if is_capped and number else shown,
            "href": tasks(waits=kind.name),
        }
    held = TaskStatus.objects.filter(status=states.PROCESSING).order_by()
    number = held[: CappedPaginator.cap].count()
    yield {"title": _("Running"), "number": elements.number(number), "href": tasks(status__exact=states.PROCESSING)}
    total = last_hour.total
    for title, status, number in (
        (_("Failed"), states.FAILED, total.failed),
        (_("Done"), states.COMPLETED, total.completed),
    ):
        yield {
            "title": title,
            "number": elements.number(number),
            "note": _("last hour"),
            "href": tasks(status__exact=status, ended="hour"),
            "status": status if number else "",
        }


def times(series: Series) -> list[dict[str, Any]]:
    """Return the times within which half of the tasks, and 95 of 100, waited and ran, each with its chart."""
    total = series.total
    return [
        {
            "name": name,
            "title": title,
            "median": _seconds(quantile(total, 0.5)),
            "most": _seconds(quantile(total, 0.95)),
            "chart": chart.lines(series, quantile),
        }
        for name, title, quantile in (
            ("wait", _("Wait"), Counts.wait_quantile),
            ("run", _("Run"), Counts.run_quantile),
        )
    ]


def actors(series: Series) -> list[dict[str, Any]]:
    """Return the actors that took the most time."""
    found = sorted(series.by_actor().items(), key=lambda one: (-one[1].run_ms, one[0]))
    return [
        {
            "name": name,
            "href": tasks(task=name, ended=ENDED[series.period]),
            "done": elements.number(one.completed),
            "failed": elements.number(one.failed) if one.failed else elements.NOTHING,
            "retried": elements.number(one.retried) if one.retried else elements.NOTHING,
            "median": _seconds(one.run_quantile(0.5)),
            "most": _seconds(one.run_quantile(0.95)),
            "together": duration.in_words(timedelta(milliseconds=one.run_ms)),
        }
        for name, one in found[:MOST_ACTORS]
        if one.run_ms or one.failed
    ]


def _seconds(seconds: float | None) -> str:
    return elements.NOTHING if seconds is None else duration.in_words(timedelta(seconds=seconds))


# --- Tables --------------------------------------------------------------------------------------


def processes(look: Facts) -> list[dict[str, Any]]:
    """Return the living processes in a line: workers with their free threads, relay and scheduler."""
    workers = look.workers
    threads = sum(worker.threads for worker in workers)
    free = sum(max(0, worker.threads - worker.busy_threads) for worker in workers)
    shown = [
        {
            "title": elements.counted(WORKERS, len(workers)),
            "note": (
                gettext("%(free)s of %(threads)s threads free") % {"free": free, "threads": threads} if workers else ""
            ),
            "is_well": bool(workers),
        }
    ]
    for kind, title in ((WorkerProcess.KIND_RELAY, _("Relay")), (WorkerProcess.KIND_SCHEDULER, _("Scheduler"))):
        number = len(look.of_kind(kind))
        if kind == WorkerProcess.KIND_SCHEDULER and not number and not look.needs_scheduler:
            continue
        note = gettext("lives") if number == 1 else gettext("%(count)s live") % {"count": number}
        shown.append({"title": title, "note": note if number else gettext("none lives"), "is_well": bool(number)})
    return shown


def lately_failed(since: datetime) -> list[dict[str, Any]]:
    """Return the causes of the failures since a time, each with its last error."""
    most = CappedPaginator.cap
    found = causes.since(since, limit=MOST_CAUSES, most_counted=most)
    last = failures.last_of(found)
    return [
        {
            "number": failures.counted(cause.number, most=most),
            "name": last[cause.pk].task_name,
            "error": failures.said(last[cause.pk]),
            "first": _clock(cause.first_at),
            "last": _clock(cause.last_at),
            "is_one": cause.number == 1,
            "see": tasks(status__exact=states.FAILED, cause=cause.cause, ended="hour"),
            "retry": retry_of(cause.cause),
        }
        for cause in found
        if cause.pk in last
    ]


def running() -> list[dict[str, Any]]:
    """Return the tasks that have run for the longest time."""
    rows = TaskStatus.objects.filter(status=states.PROCESSING, started_at__isnull=False).order_by("started_at")
    columns = ("pk", "task_name", "status", "progress", "progress_text", "started_at", "cancel_requested_at")
    now = timezone.now()
    return [
        {
            "name": task.task_name,
            "href": reverse("admin:tasks_taskstatus_change", args=[task.pk]),
            "bar": elements.progress_bar(
                task.progress, status=task.status, name=gettext("Progress of %(task)s") % {"task": task.task_name}
            ),
            "text": task.progress_text,
            "time": duration.in_words(now - task.started_at),
            "cancel": "" if task.cancel_requested_at else reverse("admin:tasks_taskstatus_cancel", args=[task.pk]),
        }
        for task in rows.only(*columns)[:MOST_RUNNING]
        if task.started_at
    ]


def schedules(look: Facts) -> list[dict[str, Any]]:
    """Return the schedules that come next."""
    coming = [one for one in look.schedules if schedule_state.of(one) in (schedule_state.ON, schedule_state.LATE)]
    return [
        {
            "name": one.name,
            "href": reverse("admin:tasks_schedule_change", args=[one.pk]),
            "time": elements.timestamp(one.next_at, short=True),
        }
        for one in coming[:MOST_SCHEDULES]
    ]


def _clock(at: datetime) -> str:
    return timezone.localtime(at).strftime("%H:%M")
