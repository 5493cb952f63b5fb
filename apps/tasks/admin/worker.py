"""Pages of worker, relay and scheduler processes: the list, and one process."""

from typing import Any

import dramatiq
from django.contrib import admin, messages
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.tasks.admin import elements, theme
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.clock import ClockTimestamp
from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess
from apps.tasks.presence import untaken


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


@admin.register(WorkerProcess)
class WorkerProcessAdmin(ReadOnlyAdmin):
    """Worker, relay and scheduler processes, alive or gone."""

    empty_title = _("No workers yet")
    empty_text = _("A worker, relay or scheduler process appears here when it starts.")
    list_display = (
        "hostname", "pid", "kind", "state", "queue_names", "thread_count", "memory", "done",
        "started_briefly", "last_beat_briefly",
    )  # fmt: skip
    list_filter = (("kind", theme.ChoicesFilter),)
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    sortable_by = ()
    search_fields = ("hostname",)
    search_help_text = _("Host name")
    ordering = ("-started_at",)

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
        process: list[Any] = [("kind", "state"), ("hostname", "pid")]
        if obj is None or obj.kind == WorkerProcess.KIND_WORKER:
            process += [("queue_names", "thread_count"), ("memory", "done"), "tasks"]
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
            "last_beat", "stopped",
        ]  # fmt: skip

    @admin.display(description=_("state"))
    def state(self, worker: Any) -> SafeString:
        if worker.stopped_at is not None:
            return elements.label(gettext("Stopped"), kind="default")
        if worker.trouble and worker.beats_now:
            return elements.label(gettext("Stuck"), kind="danger")
        if worker.beats_now:
            return elements.label(gettext("Living"), kind="success")
        return elements.label(gettext("Silent"), kind="warning")

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

    @admin.display(description=_("started"))
    def started_briefly(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.started_at, short=True)

    @admin.display(description=_("last heartbeat"))
    def last_beat_briefly(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.beat_at, short=True)

    @admin.display(description=_("stopped"))
    def stopped(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.stopped_at)

    @admin.display(description=_("tasks"))
    def tasks(self, worker: WorkerProcess) -> SafeString:
        url = reverse("admin:tasks_taskstatus_changelist", query={"worker_id__exact": str(worker.pk)})
        return elements.link(url, gettext("Tasks that it holds or ended"))
