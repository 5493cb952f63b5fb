"""The admin's list of tasks, with a table of tasks in every state."""

import time
import uuid
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.tasks.models import Schedule, TaskGroup, TaskGroupMember, TaskStatus, WorkerProcess
from benchmarks.rig.figures import percentile

#: Times of each view that are measured, after one that is not.
TIMES = 10
#: Rows that one statement adds, at most. The group, and the runs of the schedule.
FILL, MEMBERS, RUNS = 100_000, 5_000, 500
WORKER = uuid.UUID(int=7)

#: The row with number {i} of {count}. Each column is a piece of SQL.
COLUMNS = {
    "task_id": "'task-' || {i}",
    "task_name": "'benchmarks.actor_' || ({i} % 20)",
    "queue_name": "'queue-' || ({i} % 4)",
    "priority": "{i} % 5 * 10",
    "status": (
        "CASE WHEN {i} % 1000 < 950 THEN 'completed' WHEN {i} % 1000 < 975 THEN 'failed' "
        "WHEN {i} % 1000 < 980 THEN 'cancelled' WHEN {i} % 1000 < 999 THEN 'pending' ELSE 'processing' END"
    ),
    "delayed": "{i} % 1000 BETWEEN 985 AND 992",
    "retries": "CASE WHEN {i} % 1000 BETWEEN 989 AND 992 THEN 2 ELSE 0 END",
    "in_line": "{i} % 1000 BETWEEN 993 AND 996",
    "line": "CASE WHEN {i} % 1000 BETWEEN 993 AND 996 THEN 'a' END",
    "error_type": "CASE WHEN {i} % 1000 BETWEEN 950 AND 974 THEN 'app.errors.Error' || ({i} % 7) ELSE '' END",
    "error_message": "CASE WHEN {i} % 1000 BETWEEN 950 AND 974 THEN 'Page ' || {i} || ' has no text' ELSE '' END",
    "cause": "CASE WHEN {i} % 1000 BETWEEN 950 AND 974 THEN 'cause-' || ({i} % 7) ELSE '' END",
    "kwargs": "{{json}}",
    "owner_id": "CASE WHEN {i} % 10 = 0 THEN {owner} END",
    "related_object_type": "CASE WHEN {i} % 3 = 0 THEN 'documents.Document' ELSE '' END",
    "related_object_id": "CASE WHEN {i} % 3 = 0 THEN {i} / 100 END",
    "worker_id": "CASE WHEN {i} % 1000 < 980 OR {i} % 1000 = 999 THEN {worker} END",
    "created_at": "{ago}",
    "run_at": "{ago}",
    "started_at": "CASE WHEN {i} % 1000 < 980 OR {i} % 1000 = 999 THEN {ago} END",
    "finished_at": "CASE WHEN {i} % 1000 < 980 THEN {ago} END",
}  # fmt: skip
#: Views of the list: an address for each.
VIEWS = {
    "all": "", "waiting": "state:waiting", "delayed": "state:delayed", "retrying": "state:retrying",
    "limited": "state:limited", "running": "state:running", "done": "state:done", "failed": "state:failed",
    "cancelled": "state:cancelled", "crashed": "state:crashed", "held": "state:held",
    "by actor": "actor:actor_7", "by an unknown actor": "actor:nothing", "by queue": "queue:queue-1",
    "by owner": "owner:list", "by object": "about:document/3", "by worker": f"worker:{WORKER}",
    "by schedule": "schedule:list", "by group": "group:list", "by cause": "cause:cause-3", "by error": "error:Error3",
    "by time of the end": "finished:1h", "by a long time of the end": "finished:30d", "by time of the send": "sent:3h",
    "by priority": "priority:20", "by id": "id:task-7", "by an id alone": "task-7",
    "by argument": "arg.document_id:7", "by any argument": "args:999", "by a text": "text",
    "by a text without a hit": "nothing-like-it", "failed, by actor": "state:failed actor:actor_7",
    "failed, by a text": "state:failed nothing-like-it", "failed, lately": "state:failed finished:1h",
    "done, lately, by actor": "state:done finished:24h actor:actor_7",
}  # fmt: skip


def list_ms(count: int) -> dict[str, float]:
    """Fill the table with `count` tasks. Return the 95th percentile of the server's time for each view, in ms."""
    client = Client(headers={"host": "localhost"})
    client.force_login(fill(count))
    address = reverse("admin:tasks_taskstatus_changelist")
    found = {}
    for name, line in VIEWS.items():
        found[name] = _p95(client, address, {"q": line})
    found["all, last page"] = _p95(client, address, {"p": str(min(count // 50, 200))})
    last = min(max(count // 2_000, 1), 200)
    found["failed, last page"] = _p95(client, address, {"q": "state:failed", "p": str(last)})
    found["oldest first"] = _p95(client, address, {"o": "1"})
    return found


def _p95(client: Client, address: str, query: dict[str, str]) -> float:
    times = []
    for _ in range(TIMES + 1):
        began = time.monotonic()
        response = client.get(address, query)
        times.append((time.monotonic() - began) * 1000)
        assert response.status_code == 200, (query, response.status_code)
        assert b"tasks-error" not in response.content, query
    return percentile(times[1:], 0.95)


def fill(count: int) -> Any:
    """Make a table of `count` tasks, a second apart, and what the searches name. Return the user."""
    table = TaskStatus._meta.db_table
    user, _ = get_user_model().objects.get_or_create(username="list", is_staff=True, is_superuser=True)
    now, is_postgresql = timezone.now(), connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        for name in (*(found.related_model._meta.db_table for found in TaskStatus._meta.related_objects), table):
            cursor.execute(f"TRUNCATE {name} CASCADE" if is_postgresql else f"DELETE FROM {name}")
    for named in (TaskGroup, Schedule, WorkerProcess):
        named._default_manager.all().delete()
    model = TaskStatus.objects.create(task_id="model", task_name="model", run_at=now)
    names = [field.column for field in TaskStatus._meta.concrete_fields if not field.primary_key]
    if is_postgresql:
        ago = "now() - ({count} - {i}) * interval '1 second'"
        series, json = "generate_series(%s, %s) AS series(i)", "('{\"document_id\": ' || {i} || '}')::json"
        worker = f"'{WORKER}'::uuid"
    else:
        ago = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', ({i} - {count}) || ' seconds')"
        series = (
            "(WITH RECURSIVE n(i) AS (SELECT %s UNION ALL SELECT i + 1 FROM n WHERE i < %s) SELECT i FROM n) AS series"
        )
        json, worker = "'{\"document_id\": ' || {i} || '}'", f"'{WORKER.hex}'"
    values = []
    for name in filter(None, names):
        value = COLUMNS.get(name, f'model."{name}"').replace("%", "%%")
        value = value.replace("{{json}}", json).replace("{ago}", ago).replace("{worker}", worker)
        values.append(
            value.replace("{owner}", str(user.pk)).replace("{count}", str(count)).replace("{i}", "series.i")
        )  # fmt: skip
    columns = ", ".join(f'"{name}"' for name in names)
    with connection.cursor() as cursor:
        for start in range(1, count + 1, FILL):
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {', '.join(values)} "
                f"FROM {table} AS model, {series} WHERE model.id = {model.pk}",
                [start, min(start + FILL - 1, count)],
            )
        TaskStatus.objects.filter(pk=model.pk).delete()
        group = TaskGroup.objects.create(key="list")
        TaskGroupMember.objects.bulk_create(
            TaskGroupMember(group=group, task_id=f"task-{place}", position=place, number=place, is_last=True)
            for place in range(min(MEMBERS, count))
        )
        schedule = Schedule.objects.create(
            name="list", task_name="x", cron="0 8 * * *", anchor_at=now, decided_until=now
        )
        for run in range(RUNS):
            at = now - timedelta(minutes=run)
            schedule.slots.create(slot=at, first_slot=at, outcome="fired", task_id=f"task-{run}")
        cursor.execute(f"VACUUM ANALYZE {table}" if is_postgresql else "ANALYZE")
    return user
