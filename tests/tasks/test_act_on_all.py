"""Very many failed tasks are retried from the list, each once, in flat memory, although the task that does it dies.

`bin/test tests/tasks/test_act_on_all.py --acted-on 500000 -s` shows how long that takes.
"""

import resource
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.tasks import actions as tasks_actions
from apps.tasks import audit, states
from apps.tasks.admin import actions
from apps.tasks.models import AuditEntry, TaskStatus
from apps.tasks.tasks import act_on_all
from tests import rows
from tests.pages import get

pytestmark = pytest.mark.django_db(transaction=True)

#: Memory that the whole may take beyond that of the process, in MB. The ids of 500,000 tasks are 4.
MOST_MB = 60
RETRY_ALL = f"{reverse('admin:tasks_taskstatus_all')}?verb=retry&status__exact=failed"
BATCH = 5_000


class Died(BaseException):
    """The worker process was killed."""


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def make_failed(count: int) -> None:
    """Make failed tasks. Every tenth row between them has completed."""
    ended = timezone.now() - timedelta(hours=1)
    for start in range(0, count, BATCH):
        with transaction.atomic():
            TaskStatus.objects.bulk_create(
                TaskStatus(
                    task_id=f"many-{number}-{status}", task_name="acting.effect", status=status, run_at=ended,
                    finished_at=ended, error_message="ConnectionRefusedError", args=[str(number)],
                )
                for number in range(start, min(start + BATCH, count))
                for status in ((states.FAILED, states.COMPLETED) if number % 10 == 0 else (states.FAILED,))
            )  # fmt: skip


def test_all_that_failed_are_retried_once_although_the_task_dies(
    admin_client: Client, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = pytestconfig.getoption("--acted-on")
    monkeypatch.setattr(actions, "LIMIT", min(actions.LIMIT, count // 2))
    make_failed(count)
    before, began = peak_mb(), time.monotonic()

    page = get(admin_client, RETRY_ALL)
    asked = time.monotonic()
    form = {
        attributes["name"]: attributes["value"]
        for tag, attributes in page.elements
        if tag == "input" and attributes.get("type") == "hidden"
    }
    assert admin_client.post(RETRY_ALL, form).status_code == 302
    entry, planned = AuditEntry.objects.get(), time.monotonic()
    assert entry.total == count

    go_on, calls = tasks_actions.go_on, 0

    def die_in_the_middle(entry: AuditEntry) -> bool:
        nonlocal calls
        calls += 1
        if calls == count // audit.ROWS // 2 + 1:
            with transaction.atomic():
                go_on(entry)
                raise Died
        return go_on(entry)

    monkeypatch.setattr(tasks_actions, "go_on", die_in_the_middle)
    with pytest.raises(Died):
        act_on_all.fn(entry.pk)
    assert 0 < TaskStatus.objects.filter(status=states.FAILED).count() < count
    act_on_all.fn(entry.pk)
    ended, after = time.monotonic(), peak_mb()

    retried = TaskStatus.objects.filter(task_id__startswith="many-", status=states.PENDING)
    assert retried.count() == retried.filter(attempt=1).count() == count
    assert not TaskStatus.objects.filter(status=states.COMPLETED).exclude(attempt=0).exists()
    entry.refresh_from_db()
    assert entry.number == count
    print(
        f"\n{count:,} tasks: asked in {asked - began:.2f} s, planned in {planned - asked:.2f} s, retried in "
        f"{ended - planned:.1f} s, memory +{after - before:.0f} MB"
    )
    assert after - before < MOST_MB


def test_each_of_them_tells_on_its_page_who_did_it(django_assert_num_queries: Any) -> None:
    tasks = [rows.task() for _ in range(3)]
    for _ in range(5):
        audit.note("retry", by=audit.By(name="rosa", door=audit.ADMIN), row_ids=[task.pk for task in tasks])
    with django_assert_num_queries(2):
        assert len(audit.of(tasks[1])) == 5
