"""Pages, the API and the relay stand any row, also one that another program wrote."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from tests import rows
from workers.wire.message import from_row

pytestmark = pytest.mark.django_db

TIMES = [field.name for field in TaskStatus._meta.fields if field.get_internal_type() == "DateTimeField"]
ON_POSTGRESQL = [
    "infinity",
    "-infinity",
    "294276-12-31 00:00:00+00",
    "0001-01-01 00:00:00 BC",
    "9999-12-31 23:59:59+00",
]
ON_SQLITE = ["57866-03-01 00:00:00", "infinity", "", "no time", "9999-12-31 23:59:59", "0000-00-00 00:00:00"]
JSON = ["9" * 5_000, "1e400", '"\\ud800 \\u0000"', "[" * 900 + "]" * 900, '{"a": 1}', "null", "3", '"text"', "[1, 2.0]"]


def write(**columns: Any) -> TaskStatus:
    """Make a row and write columns of it by hand."""
    task = rows.task()
    with connection.cursor() as cursor:
        for name, value in columns.items():
            cursor.execute(f"UPDATE tasks_taskstatus SET {name} = %s WHERE id = %s", [value, task.pk])
    return task


def look(task: TaskStatus) -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("staff"))
    for url in (
        "/admin/tasks/taskstatus/",
        f"/admin/tasks/taskstatus/{task.pk}/change/",
        "/api/tasks/",
        f"/api/tasks/{task.task_id}/",
    ):
        assert client.get(url).status_code == 200, url


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("place", range(6))
def test_pages_show_a_row_with_any_time(name: str, place: int) -> None:
    odd = ON_POSTGRESQL if connection.vendor == "postgresql" else ON_SQLITE
    if place >= len(odd):
        pytest.skip("no more odd times")
    look(write(**{name: odd[place]}))


@pytest.mark.parametrize("name", ["args", "kwargs", "options", "result"])
@pytest.mark.parametrize("text", JSON, ids=lambda text: text[:20])
def test_pages_show_a_row_with_any_json(name: str, text: str) -> None:
    task = write(**{name: text})
    look(task)
    assert from_row(TaskStatus.objects.get(pk=task.pk)).message_id == task.task_id


def test_the_relay_takes_the_others_beside_a_row_with_odd_times() -> None:
    odd = "infinity" if connection.vendor == "postgresql" else "57866-03-01 00:00:00"
    write(expires_at=odd, delayed=True, args="9" * 5_000)
    rows.task()
    TaskStatus.objects.update(delayed=True)
    assert len(ledger.take_due(limit=10)) == 2
    assert len(ledger.still_due(ledger.due_after(0, limit=10))) == 2
    assert TaskStatus.objects.filter(run_at__lte=timezone.now()).count() == 2
