"""The dashboard of the admin, with a table of tasks in every state."""

import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.tasks import figures
from apps.tasks.admin.now import part
from apps.tasks.models import TallyMark, WorkerProcess
from benchmarks.systems import task_list

HEADERS = {"host": "localhost"}


def session(count: int) -> dict[str, str]:
    """Fill the table with `count` tasks, and count them as the relay does. Return the path and the cookie of a page."""
    user = task_list.fill(count)
    TallyMark.objects.all().delete()
    now = timezone.now()
    for number, kind in enumerate(("worker", "worker", "relay", "scheduler")):
        WorkerProcess.objects.create(
            kind=kind, broker_id=f"{number}", host="h", hostname="web-1", pid=number, process_started="1", threads=8,
            started_at=now - timedelta(hours=1), beat_at=now, taken_at=now,
        )  # fmt: skip
    client = Client(headers=HEADERS)
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    path = f"{reverse('admin:tasks_now')}?period=hour&part=1"
    beat()
    return {"cookie": f"{name}={client.cookies[name].value}", "path": path}


def beat() -> None:
    """Let the processes beat, with other numbers than before, and the relay count."""
    now = timezone.now()
    WorkerProcess.objects.filter(kind="worker").update(beat_at=now, taken_at=now, busy_threads=now.second % 8)
    WorkerProcess.objects.exclude(kind="worker").update(beat_at=now)
    while figures.keep_up():
        pass


def measured(times: int) -> dict[str, float]:
    """Return the median milliseconds of the page, alone and shared with others, its statements and its bytes."""
    beat()
    client = Client(headers=HEADERS)
    client.force_login(get_user_model().objects.get(username="list"))
    address = reverse("admin:index")

    def look(*, is_alone: bool) -> float:
        if is_alone:
            part.kept.clear()
        began = time.monotonic()
        assert client.get(address).status_code == 200
        return (time.monotonic() - began) * 1000

    look(is_alone=True)
    part.kept.clear()
    statements: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *others: Any) -> Any:
        statements.append(sql)
        return execute(sql, *others)

    with connection.execute_wrapper(note):
        page = client.get(address)
    alone = [look(is_alone=True) for _ in range(times)]
    return {
        "alone_ms": median(alone),
        "shared_ms": median([look(is_alone=False) for _ in range(times)]),
        "statements": len(statements),
        "bytes": len(page.content),
    }
