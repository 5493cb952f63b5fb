"""Pictures of the control room, for eyes. CONTRIBUTING.md says how to take them."""

from pathlib import Path

from django.urls import reverse
from playwright.sync_api import Page

from apps.tasks.models import Alert, AlertRule, Schedule, TaskGroup, TaskStatus, WorkerProcess
from tests.browser import room
from tests.browser.conftest import Seen

WIDTHS = {1300: 900, 390: 844}


def pages() -> dict[str, str]:
    """Return the addresses of the pages by their names. A page of a row that is not there is left out."""
    tasks = reverse("admin:tasks_taskstatus_changelist")
    found = {
        "now": reverse("admin:index"),
        "now-week": f"{reverse('admin:index')}?period=week",
        "tasks": tasks,
        "tasks-failed": f"{tasks}?status__exact=failed",
        "tasks-none": f"{tasks}?q=arg.document_id:1234567",
        "failures": reverse("admin:tasks_failures"),
        "deploy": reverse("admin:tasks_deploy"),
        "queues": reverse("admin:tasks_pause_queues"),
        "queue-pause": f"{reverse('admin:tasks_pause_pause')}?kind=queue&name=documents",
        "actors": reverse("admin:tasks_pause_actors"),
        "actor": f"{reverse('admin:tasks_pause_actor')}?name=documents.process_document",
        "processes": reverse("admin:tasks_workerprocess_changelist"),
        "schedules": reverse("admin:tasks_schedule_changelist"),
        "schedule-add": reverse("admin:tasks_schedule_add"),
        "limits": reverse("admin:tasks_limit_changelist"),
        "groups": reverse("admin:tasks_taskgroup_changelist"),
        "alerts": reverse("admin:tasks_alert_changelist"),
        "alert-rules": reverse("admin:tasks_alertrule_changelist"),
        "audit": reverse("admin:tasks_auditentry_changelist"),
    }
    if TaskStatus.objects.filter(status="failed").exists():
        found["retry-all"] = f"{reverse('admin:tasks_taskstatus_all')}?verb=retry&status__exact=failed"
    for name, row in (
        *((f"task-{status}", TaskStatus.objects.filter(status=status).order_by("started_at", "pk").first())
          for status in ("pending", "processing", "completed", "failed")),
        ("process", WorkerProcess.objects.filter(stopped_at=None).first()),
        ("schedule", Schedule.objects.order_by("pk").first()),
        ("alert", Alert.objects.first()),
        ("alert-rule", AlertRule.objects.first()),
        ("group", TaskGroup.objects.first()),
    ):  # fmt: skip
        if row is not None:
            found[name] = reverse(f"admin:tasks_{row._meta.model_name}_change", args=[row.pk])
    return found


def take(page: Page, found: dict[str, str], target: Path, *, scheme: str, seen: Seen) -> None:
    """Take a picture of each page in each width."""
    for name, path in found.items():
        room.beat()
        page.goto(path)
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            # To hide the caret, Playwright would add a style, which the policy of our pages may block.
            page.screenshot(path=target / f"{name}-{width}-{scheme}.png", full_page=True, caret="initial")
        assert seen.errors == [], name
