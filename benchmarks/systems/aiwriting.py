"""aiWriting itself."""

import random
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import django

django.setup()

import dramatiq  # noqa: E402
from django.core.files import File  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import OperationalError, connection, transaction  # noqa: E402
from django.db.models import Count  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.documents.services.document_service import DocumentService  # noqa: E402
from apps.projects.models import Project  # noqa: E402
from apps.tasks import ledger  # noqa: E402
from apps.tasks import states as task_states  # noqa: E402
from apps.tasks.limits import stored  # noqa: E402
from apps.tasks.models import Schedule, ScheduleSlot, TaskStatus  # noqa: E402
from apps.tasks.schedules import clock  # noqa: E402
from benchmarks.acting import tasks  # noqa: E402
from workers.broker import LedgerBroker  # noqa: E402

#: Messages in one `send_many`, at most.
MANY = 10_000
#: Rows that one statement adds, at most.
FILL = 100_000


def prepare() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)


def send(task: str, number: int, *arguments: Any) -> None:
    getattr(tasks, task).send(number, *arguments)


send_in_transaction = send


def send_many(task: str, numbers: Iterable[int], *arguments: Any) -> None:
    actor, numbers = getattr(tasks, task), list(numbers)
    broker = cast(LedgerBroker, dramatiq.get_broker())
    for start in range(0, len(numbers), MANY):
        broker.send_many([actor.message(number, *arguments) for number in numbers[start : start + MANY]])


def states() -> dict[str, int]:
    return dict(TaskStatus.objects.order_by().values_list("status").annotate(Count("pk")))


def is_done(count: int) -> bool:
    # One by one: each state has its index. A query for both would read the whole table.
    return not any(TaskStatus.objects.filter(status=status).exists() for status in task_states.UNFINISHED)


def clear() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {TaskStatus._meta.db_table} CASCADE")
        else:
            TaskStatus.objects.all().delete()


def fill(count: int) -> None:
    """Copy a completed row `count` times, each with its own task id, and let the database learn the table's size."""
    columns = [field.column for field in TaskStatus._meta.concrete_fields if not field.primary_key]
    model = TaskStatus.objects.filter(status=task_states.COMPLETED).latest("pk").pk
    new_id, series = {
        "postgresql": ("gen_random_uuid()::text", "generate_series(1, %s)"),
        "sqlite": (
            "lower(hex(randomblob(16)))",
            "(WITH RECURSIVE series(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < %s) "
            "SELECT i FROM series)",
        ),
    }[connection.vendor]
    values = [new_id if column == "task_id" else f'model."{column}"' for column in columns]
    names, table = ", ".join(f'"{column}"' for column in columns), TaskStatus._meta.db_table
    with connection.cursor() as cursor:
        for start in range(0, count, FILL):
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} "
                f"FROM {table} AS model, {series} AS series WHERE model.id = {model}",
                [min(FILL, count - start)],
            )
        if connection.vendor == "postgresql":  # Its autovacuum would do the same within a minute.
            cursor.execute(f"VACUUM ANALYZE {table}")


def admission_ms(waiting: int, keys: int) -> float:
    """Return the milliseconds in which one task is admitted, of those that wait over the keys."""
    numbers = range(waiting)
    send_many("noop_by_key", numbers)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {TaskStatus._meta.db_table}")
    stored.update()
    name = tasks.noop_by_key.actor_name
    # Each look is at one key, as after the end of one task.
    began, admitted = time.monotonic(), 0
    for key in range(min(keys, 300)):
        admitted += len(ledger.admit(name, [str(key)], threads=16).rows)
    return (time.monotonic() - began) * 1000 / admitted


def cancel_ms(task: str, number: int) -> float:
    """Return the milliseconds from the request to cancel a running task until it is cancelled."""
    task_id = getattr(tasks, task).send(number).message_id
    row = TaskStatus.objects.filter(task_id=task_id)
    while not row.filter(started_at__isnull=False).exists():
        time.sleep(0.005)
    # At any moment of a step, and of the writer's rounds.
    time.sleep(random.uniform(0, 0.2))
    began = time.monotonic()
    ledger.cancel(task_id)
    while not row.filter(status=task_states.CANCELLED).exists():
        time.sleep(0.002)
    return (time.monotonic() - began) * 1000


def process_manuscript(path: Path) -> str:
    owner, _ = User.objects.get_or_create(username="benchmark")
    project = Project.objects.create(owner=owner, name="benchmark")
    with path.open("rb") as file:
        document = DocumentService.create(project=project, title=path.name, data=File(file), filename=path.name)
    return DocumentService.start_processing(document, owner_id=owner.pk)


def manuscript(task_id: str) -> dict[str, Any] | None:
    task = TaskStatus.objects.finished().filter(task_id=task_id).first()
    if task is None:
        return None
    assert task.finished_at is not None
    assert task.started_at is not None
    seconds = (task.finished_at - task.started_at).total_seconds()
    return {"seconds": seconds, "error": task.error_message, **(task.result or {})}


def make_schedules(count: int) -> None:
    Schedule.objects.all().delete()
    now = clock.now()
    rows = [
        Schedule(
            name=f"benchmark {number}", task_name="benchmarks.noop", kwargs={"number": number}, cron="0 0 1 1 *",
            anchor_at=now, decided_until=now,
        )
        for number in range(count)
    ]  # fmt: skip
    for row in rows:
        row.plan()
    Schedule.objects.bulk_create(rows, batch_size=1_000)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {Schedule._meta.db_table}")


def is_scheduling() -> bool:
    """Return whether a scheduler has recorded the declared schedules, which it does first."""
    return Schedule.objects.exclude(name__startswith="benchmark ").exists()


def let_slots_come(count: int, lead_seconds: float, seconds: float) -> None:
    TaskStatus.objects.all().delete()
    ScheduleSlot.objects.all().delete()
    rows = list(Schedule.objects.filter(name__startswith="benchmark ").order_by("?")[:count])
    now = clock.now()
    for place, row in enumerate(rows):
        row.cron, row.interval_seconds = "", 86_400
        row.anchor_at = now + timedelta(seconds=lead_seconds + seconds * place / count)
        row.decided_until, row.next_at = now, row.anchor_at
    columns = ["cron", "interval_seconds", "anchor_at", "decided_until", "next_at"]
    Schedule.objects.bulk_update(rows, columns, batch_size=500)


def delays_ms(count: int) -> list[float] | None:
    rows = list(TaskStatus.objects.values_list("created_at", "options__slot"))
    if len(rows) < count:
        return None
    return [1000 * (created - datetime.fromisoformat(slot)).total_seconds() for created, slot in rows]


def is_writable() -> bool:
    if connection.vendor != "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout=0")
        try:
            with transaction.atomic():
                return True
        except OperationalError:
            return False
        finally:
            cursor.execute("PRAGMA busy_timeout=20000")
