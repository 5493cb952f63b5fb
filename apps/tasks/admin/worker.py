"""Pages of worker, relay and scheduler processes: the list, and one process."""

from collections.abc import Iterable
from typing import Any

import dramatiq
from django.contrib import admin, messages
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import elements, running, theme
from apps.tasks.admin.requests import RequestsAdmin
from apps.tasks.clock import ClockTimestamp
from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess
from apps.tasks.presence import untaken

#: Ends that are no trouble.
PLANNED = (WorkerProcess.ENDED_STOPPED, WorkerProcess.ENDED_RECYCLED, WorkerProcess.ENDED_MEMORY)


def warn_of_idle_queues(request: HttpRequest) -> None:
    """Show which queues no living worker takes."""
    known = dramatiq.get_broker().get_declared_queues()
    if names := untaken(WorkerProcess.objects.workers().beating(), known):
        text = ngettext(
            "No living worker takes tasks from the queue %(names)s: they wait.",
            "No living worker takes tasks from the queues %(names)s: they wait.",
            len(names),
        )
        messages.warning(request, text % {"names": ", ".join(names)})


class ProcessChangeList(theme.ChangeList):  # type: ignore[misc]
    """Processes with the tasks that they run, in one query for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        name_running(self.result_list, request)


def name_running(processes: Iterable[Any], request: HttpRequest) -> None:
    """Give each process its `running` tasks. None: the user may not see tasks."""
    processes = list(processes)
    may_see = request.user.has_perm("tasks.view_taskstatus")
    living = [process.pk for process in processes if process.stopped_at is None]
    found = running.by_worker(living) if may_see and living else {}
    for process in processes:
        process.running = found.get(process.pk, []) if may_see else None


class EndedFilter(theme.DropdownFilter):  # type: ignore[misc]
    """Processes that live, or that ended."""

    title = _("life")
    parameter_name = "ended"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("Lives")), ("yes", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("no", "yes"):
            return queryset
        return queryset.filter(stopped_at__isnull=self.value() == "no")


@admin.register(WorkerProcess)
class WorkerProcessAdmin(RequestsAdmin):
    """Worker, relay and scheduler processes, alive or gone."""

    empty_title = _("No processes yet")
    empty_text = _("A worker, relay or scheduler process appears here when it starts.")
    list_display = (
        "process", "kind", "state", "runs", "queue_names", "thread_count", "memory", "started_briefly",
    )  # fmt: skip
    list_filter = (("kind", theme.ChoicesFilter), EndedFilter)
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    sortable_by = ()
    search_fields = ("hostname", "code_version")
    search_help_text = _("Host name or code version")
    #: Those that live, then those that ended last.
    ordering = (F("stopped_at").desc(nulls_first=True), "-started_at")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[theme.ChangeList]:
        return ProcessChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            name_running([found], request)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET":
            warn_of_idle_queues(request)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkerProcess]:
        # By the database's clock, which also wrote the heartbeat.
        beats = Q(beat_at__gt=ClockTimestamp(offset_ms=-1000 * conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS))
        queryset: QuerySet[WorkerProcess] = super().get_queryset(request)
        return queryset.annotate(beats_now=ExpressionWrapper(beats, output_field=BooleanField()))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        process: list[Any] = [("kind", "state"), ("hostname", "pid"), "version"]
        if obj is None or obj.kind == WorkerProcess.KIND_WORKER:
            process += [("queue_names", "thread_count"), ("memory", "done"), "tasks"]
            if obj is not None and obj.stopped_at is None and obj.running is not None:
                process.append("runs_now")
        else:
            process.append("memory")
        if obj is not None and obj.trouble:
            process.insert(1, "trouble_in_words")
        return [
            (_("Process"), {"fields": process}),
            (_("Time"), {"fields": [("started", "last_beat"), "stopped"]}),
            (_("Identity"), {"fields": ["id", "broker_id", "host", "process_started"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [
            "kind", "state", "queue_names", "thread_count", "tasks", "memory", "done", "trouble_in_words", "started",
            "last_beat", "stopped", "version", "runs_now",
        ]  # fmt: skip

    @admin.display(description=_("process"))
    def process(self, worker: WorkerProcess) -> SafeString:
        return elements.named(f"{worker.hostname}:{worker.pid}", worker.code_version or gettext("version not known"))

    @admin.display(description=_("state"))
    def state(self, worker: Any) -> SafeString:
        text, kind, note = _state(worker)
        return format_html('{}<span class="task-note">{}</span>', elements.label(text, kind=kind), note)

    @admin.display(description=_("runs now"))
    def runs(self, worker: Any) -> SafeString | str:
        return running.briefly(worker.running or [], more_url=_tasks_url(worker, status__exact="processing"))

    @admin.display(description=_("runs now"))
    def runs_now(self, worker: Any) -> SafeString | str:
        return running.at_length(worker.running or [])

    @admin.display(description=_("code version"))
    def version(self, worker: WorkerProcess) -> str:
        return worker.code_version or gettext("Not known. Set CODE_VERSION.")

    @admin.display(description=_("queues"))
    def queue_names(self, worker: WorkerProcess) -> str:
        if worker.kind != WorkerProcess.KIND_WORKER:
            return "-"
        return ", ".join(worker.queue_names) or gettext("all")

    @admin.display(description=_("threads"))
    def thread_count(self, worker: WorkerProcess) -> str:
        if worker.kind != WorkerProcess.KIND_WORKER:
            return elements.NOTHING
        if worker.stopped_at is not None:
            return str(worker.threads)
        return gettext("%(all)s, %(busy)s busy") % {"busy": worker.busy_threads, "all": worker.threads}

    @admin.display(description=_("memory"))
    def memory(self, worker: WorkerProcess) -> SafeString | str:
        if not worker.memory_mb:
            return elements.NOTHING
        return elements.unbroken(gettext("%(count)s MB") % {"count": elements.number(worker.memory_mb)})

    @admin.display(description=_("tasks done"))
    def done(self, worker: WorkerProcess) -> str:
        return elements.number(worker.tasks_done) if worker.kind == WorkerProcess.KIND_WORKER else elements.NOTHING

    @admin.display(description=_("trouble"))
    def trouble_in_words(self, worker: WorkerProcess) -> SafeString:
        told = WorkerProcess.TROUBLES.get(worker.trouble, worker.trouble)
        return elements.paragraph(told, is_error=True)

    @admin.display(description=_("started"))
    def started(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.started_at)

    @admin.display(description=_("last heartbeat"))
    def last_beat(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.beat_at)

    @admin.display(description=_("since"))
    def started_briefly(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.started_at, short=True)

    @admin.display(description=_("stopped"))
    def stopped(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.stopped_at)

    @admin.display(description=_("tasks"))
    def tasks(self, worker: WorkerProcess) -> SafeString:
        return elements.link(_tasks_url(worker), gettext("Tasks that it holds or ended"))


def _tasks_url(worker: WorkerProcess, **query: str) -> str:
    found: str = reverse("admin:tasks_taskstatus_changelist", query={"worker_id__exact": str(worker.pk), **query})
    return found


def _state(worker: Any) -> tuple[str, str, Any]:
    """Return the state of a process in a word, the kind of its label, and a note."""
    if worker.stopped_at is not None:
        is_planned = worker.ended in PLANNED
        how = worker.get_ended_display() if worker.ended else gettext("No supervisor saw how")
        text = gettext("Stopped") if is_planned else gettext("Died")
        return text, "default" if is_planned else "danger", how if how != text else ""
    if not worker.beats_now:
        return (
            gettext("Silent"),
            "warning",
            gettext("since %(time)s") % {"time": localtime(worker.beat_at).strftime("%H:%M:%S")},
        )
    if worker.trouble:
        return gettext("Stuck"), "danger", WorkerProcess.TROUBLES.get(worker.trouble, worker.trouble)
    if worker.wanted == WorkerProcess.WANTED_STOP:
        return gettext("Stopping"), "warning", ""
    if worker.is_quiet:
        return gettext("Quiet"), "warning", gettext("takes nothing new")
    note = gettext("is asked to take nothing new") if worker.wanted else ""
    return gettext("Living"), "success", note
