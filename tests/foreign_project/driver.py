"""Drives a foreign project beside its worker: sends tasks, waits for them, reads the admin. Prints findings as JSON.

The test copies this file into the project, so it imports nothing but the project and its packages.
"""

import importlib.util
import json
import sys
import time
from typing import Any

import django
import dramatiq

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.admin.models import LogEntry  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.db import transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402
from orders.models import Order  # noqa: E402
from orders.services import pack_all, pack_and_label, pack_later, place, progress_of  # noqa: E402
from orders.tasks import label, pack, pack_forgotten, ship  # noqa: E402

from apps.tasks.errors import BadArgumentsError  # noqa: E402
from apps.tasks.models import Schedule, TaskStatus, WorkerProcess  # noqa: E402

TIMEOUT_SECONDS = 60
DELAY_SECONDS = 1.0
ITEMS = [{"name": "tea", "grams": 250}, {"name": "cup", "grams": 400}, {"name": "spoon", "grams": 50}]


def wait_for(task_id: str, **wanted: Any) -> TaskStatus:
    """Return the task's row once it has the values. By default: once it has ended."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    rows = TaskStatus.objects.filter(**wanted) if wanted else TaskStatus.objects.finished()
    while time.monotonic() < deadline:
        if row := rows.filter(task_id=task_id).first():
            return row
        time.sleep(0.02)
    raise SystemExit(f"{TaskStatus.objects.filter(task_id=task_id).values().first()} after {TIMEOUT_SECONDS} s")


def told(task_id: str) -> dict[str, Any]:
    """Return a finished task's row, as far as the test looks at it."""
    row = wait_for(task_id)
    return {
        "status": row.status,
        "progress": row.progress,
        "progress_text": row.progress_text,
        "result": row.result,
        "owner": None if row.owner_id is None else str(row.owner_id),
        "about": [row.related_object_type, row.related_object_id],
        "retries": row.retries,
        "errors": [attempt.error_message for attempt in row.attempts.all()],
        "waited": (row.started_at - row.created_at).total_seconds() if row.started_at else None,
    }


def order() -> Order:
    return Order.objects.create(items=ITEMS)


def retried() -> dict[str, Any]:
    """Let an order be shipped before it is packed, and pack it after the first failure."""
    found = order()
    task_id = ship.send(found.pk).message_id
    wait_for(task_id, retries__gte=1)
    pack.send(found.pk)
    return told(task_id)


def rolled_back(buyer: Any) -> bool:
    """Return whether a send that is rolled back leaves a row."""
    task_ids = []
    with transaction.atomic():
        task_ids.append(place(ITEMS, buyer=buyer))
        transaction.set_rollback(True)
    return TaskStatus.objects.filter(task_id__in=task_ids).exists()


def sent_by_a_task(buyer: Any) -> list[dict[str, Any]]:
    """Have a task send tasks."""
    Order.objects.filter(is_packed=False).delete()
    order()
    order()
    parent = wait_for(pack_forgotten.send_with_options(owner_id=buyer.pk).message_id)
    return [told(task_id) for task_id in parent.result or []]


def refusal(**options: Any) -> str:
    try:
        pack.send_with_options(**options)
    except BadArgumentsError as error:
        return str(error)
    return ""


def signed_in(user: Any) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


def admin_pages(boss: Any, task_id: str) -> dict[str, Any]:
    """Return the status of each page of the admin, and which pages link to the task's order."""
    client = signed_in(boss)
    task = TaskStatus.objects.get(task_id=task_id)
    statuses, texts = {}, {}
    pages: list[tuple[str, list[Any]]] = [
        ("index", []),
        ("tasks_taskstatus_changelist", []),
        ("tasks_taskstatus_change", [task.pk]),
        ("tasks_workerprocess_changelist", []),
        ("tasks_workerprocess_change", [WorkerProcess.objects.earliest("started_at").pk]),
        ("tasks_schedule_changelist", []),
        ("tasks_schedule_add", []),
        ("tasks_schedule_change", [Schedule.objects.get().pk]),
    ]
    for name, args in pages:
        response = client.get(reverse(f"admin:{name}", args=args))
        statuses[name], texts[name] = response.status_code, response.content.decode()
    order_page = reverse("admin:orders_order_change", args=[task.related_object_id])
    return {
        "statuses": statuses,
        "links to its order": [name for name, text in texts.items() if f'href="{order_page}"' in text],
        "shows its progress": "Items: 3 of 3" in texts["tasks_taskstatus_change"],
    }


def admin_actions(boss: Any) -> dict[str, Any]:
    """Cancel and retry a task, make a schedule and pause it. Return what became of them."""
    client = signed_in(boss)
    task = TaskStatus.objects.get(task_id=pack_later(order(), seconds=600))
    client.post(
        reverse("admin:tasks_taskstatus_changelist"),
        {"action": "cancel", "_selected_action": [task.pk], "is_confirmed": "1"},
    )
    cancelled = TaskStatus.objects.get(pk=task.pk).status
    client.post(reverse("admin:tasks_taskstatus_retry", args=[task.pk]))
    fields = {
        "name": "hourly", "task_name": "orders.report", "kwargs": "{}", "cron": "@hourly", "every": "",
        "every_unit": "60", "time_zone": "Europe/Paris", "start_at_0": "", "start_at_1": "", "end_at_0": "",
        "end_at_1": "", "missed_policy": "once", "missed_limit": "100", "grace_seconds": "10", "overlap": "queue",
        "jitter_seconds": "0", "enabled": "on", "slots-TOTAL_FORMS": "0", "slots-INITIAL_FORMS": "0",
    }  # fmt: skip
    client.post(reverse("admin:tasks_schedule_add"), fields)
    hourly = Schedule.objects.get(name="hourly")
    client.post(reverse("admin:tasks_schedule_pause", args=[hourly.pk]))
    hourly.refresh_from_db()
    return {
        "cancelled": cancelled,
        "retried": told(task.task_id)["status"],
        "schedule": [hourly.cron, hourly.next_at is not None, hourly.enabled],
        "history": sorted(set(LogEntry.objects.values_list("user__username", flat=True))),
    }


def api(buyer: Any, other: Any, task_id: str) -> dict[str, Any] | None:
    """Return the API's answers to the owner, another user and the public. None: the project has no API."""
    if "rest_framework" not in settings.INSTALLED_APPS:
        return None
    owner = signed_in(buyer)
    clients = {"owner": owner, "other": signed_in(other), "public": Client(headers={"host": "localhost"})}
    answers: dict[str, Any] = {
        name: [client.get(f"/api/tasks/{path}").status_code for path in ("", f"{task_id}/")]
        for name, client in clients.items()
    }
    answers["shown"] = owner.get(f"/api/tasks/{task_id}/").json()["progress_text"]
    answers["listed"] = owner.get("/api/tasks/").json()["count"]
    answers["events"] = owner.get(f"/api/tasks/{task_id}/events/", headers={"accept": "text/event-stream"}).status_code
    return answers


def health() -> list[Any]:
    """Return the answers of the health checks, once all processes beat."""
    client, deadline = Client(headers={"host": "localhost"}), time.monotonic() + 120
    while client.get("/readyz").json().get("degraded") != [] and time.monotonic() < deadline:
        time.sleep(0.2)
    return [client.get("/healthz").json(), client.get("/readyz").json()]


def owned_follow_up(buyer: Any) -> str:
    """Send a pipeline whose second task has an owner of its own. Return the id of that task."""
    first = pack.message_with_options(args=(order().pk,))
    second = label.message_with_options(owner_id=buyer.pk)
    dramatiq.pipeline([first, second]).run()
    return str(second.message_id)


def main() -> None:
    users = get_user_model().objects
    buyer, other = users.create_user("buyer"), users.create_user("other")
    boss = users.create_superuser("boss")
    placed = place(ITEMS, buyer=buyer)
    later = pack_later(order(), seconds=DELAY_SECONDS)
    chain = pack_and_label(order(), buyer=buyer)
    group = pack_all([order(), order(), order()], buyer=buyer)
    as_text = pack.send_with_options(args=(order().pk,), owner_id=str(buyer.pk)).message_id
    findings = {
        "modules": [name for name in sys.argv[1:] if _is_importable(name)],
        "buyer": str(buyer.pk),
        "placed": told(placed),
        "for a page": progress_of(Order.objects.earliest("id")),
        "later": told(later),
        "chain": told(chain),
        "group": told(group),
        "retried": retried(),
        "owner as text": told(as_text)["owner"],
        "owner of a follow-up": told(owned_follow_up(buyer))["owner"],
        "no owner": refusal(args=(1,), owner_id="nonsense"),
        "rolled back": rolled_back(buyer),
        "sent by a task": sent_by_a_task(buyer),
        "schedules": list(Schedule.objects.values_list("name", "cron", "declared_in")),
        "admin pages": admin_pages(boss, placed),
        "admin actions": admin_actions(boss),
        "api": api(buyer, other, placed),
        "health": health(),
    }
    json.dump(findings, sys.stdout)


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


main()
