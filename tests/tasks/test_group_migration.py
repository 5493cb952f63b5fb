"""Groups of an earlier version, which counted the members that had not completed."""

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.groups import progress_of
from apps.tasks.models import TaskGroup, TaskStatus
from apps.tasks.values import Send

pytestmark = pytest.mark.django_db

adopt = importlib.import_module("apps.tasks.migrations.0004_groups").adopt

CALLBACK = {
    "queue_name": "default", "actor_name": "acting.say", "args": ["done"], "kwargs": {}, "options": {},
    "message_id": "callback", "message_timestamp": 1,
}  # fmt: skip
OF_GROUP = {"group_completion_uuid": "g", "group_completion_callbacks": [CALLBACK]}


def row(task_id: str, status: str, options: dict[str, Any]) -> None:
    TaskStatus.objects.create(task_id=task_id, task_name="a", status=status, options=options, run_at=timezone.now())


def test_groups_in_progress_call_back() -> None:
    TaskGroup.objects.create(key="g", remaining=2)
    TaskGroup.objects.create(key="without members", remaining=1)
    row("plain", "pending", {"said": "group_completion_uuid"})
    row("single", "failed", OF_GROUP)
    third = {"message_id": "third", "options": OF_GROUP}
    row("first", "completed", {"pipe_target": {"message_id": "second", "options": {"pipe_target": third}}})
    row("second", "pending", {"pipe_target": third})
    adopt(apps, None)

    progress = progress_of("g")
    assert progress is not None
    assert (progress.total, progress.failed, progress.waiting) == (2, 1, 1)
    members: Any = (
        TaskGroup.objects.get(key="g").members.order_by("position").values_list("task_id", "number", "is_last")
    )
    assert list(members) == [("single", 0, True), ("first", 1, False), ("second", 1, False), ("third", 1, True)]

    def send_of(message: dict[str, Any], named: dict[str, Any]) -> Send:
        assert (message, named) == (CALLBACK, {})
        return Send(task_id=message["message_id"], task_name="acting.say", queue_name="default")

    assert ledger.settle_groups(send_of) == ()
    assert TaskGroup.objects.get(key="without members").ended_at is not None
    row("third", "completed", OF_GROUP)
    TaskStatus.objects.filter(task_id__in=["single", "second"]).update(status="completed")
    assert len(ledger.settle_groups(send_of)) == 1
