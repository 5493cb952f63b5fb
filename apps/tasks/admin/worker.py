"""The worker processes' page."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.tasks.admin import elements
from apps.tasks.admin.read_only import ReadOnlyAdmin
from apps.tasks.clock import ClockTimestamp
from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess

LIVING, SILENT, STOPPED = "Living", "Silent", "Stopped"
STATE_KINDS = {LIVING: "success", SILENT: "warning", STOPPED: "default"}


@admin.register(WorkerProcess)
class WorkerProcessAdmin(ReadOnlyAdmin):
    """Which processes work, or did."""

    empty_title = "No workers yet"
    empty_text = "A worker process appears here when it starts."
    list_display = ("hostname", "pid", "state", "queue_names", "threads", "started", "last_beat", "stopped")
    list_per_page = 50
    sortable_by = ()
    search_fields = ("hostname",)
    search_help_text = "Host name"
    ordering = ("-started_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkerProcess]:
        timeout = timedelta(seconds=conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS)
        beats = Q(beat_at__gt=ClockTimestamp(offset_ms=-timeout.total_seconds() * 1000))
        # By the database's clock, which also wrote the heartbeat.
        queryset: QuerySet[WorkerProcess] = super().get_queryset(request)
        return queryset.annotate(beats_now=ExpressionWrapper(beats, output_field=BooleanField()))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [
            ("Process", {"fields": ["state_label", ("hostname", "pid"), ("queue_names", "threads"), "tasks"]}),
            ("Time", {"fields": [("started", "last_beat"), "stopped"]}),
            ("Identity", {"fields": ["id", "broker_id", "host", "process_started"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["state_label", "queue_names", "tasks", "started", "last_beat", "stopped"]

    @display(description="state", label=STATE_KINDS)  # type: ignore[untyped-decorator]
    def state(self, worker: Any) -> str:
        if worker.stopped_at is not None:
            return STOPPED
        return LIVING if worker.beats_now else SILENT

    @admin.display(description="state")
    def state_label(self, worker: Any) -> SafeString:
        state = self.state(worker)
        return elements.label(state, kind=STATE_KINDS[state])

    @admin.display(description="queues")
    def queue_names(self, worker: WorkerProcess) -> str:
        return ", ".join(worker.queues) or "all"

    @admin.display(description="started")
    def started(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.started_at)

    @admin.display(description="last heartbeat")
    def last_beat(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.beat_at)

    @admin.display(description="stopped")
    def stopped(self, worker: WorkerProcess) -> str:
        return elements.timestamp(worker.stopped_at)

    @admin.display(description="tasks")
    def tasks(self, worker: WorkerProcess) -> SafeString:
        url = reverse("admin:tasks_taskstatus_changelist", query={"worker_id__exact": str(worker.pk)})
        return format_html('<a href="{}" class="text-link">What it holds or ended</a>', url)
