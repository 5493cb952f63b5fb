"""Queries that work with any user model and any key."""

from types import SimpleNamespace

import pytest

from apps.accounts.models import User
from apps.tasks.models import TaskStatus
from tests import rows


@pytest.mark.django_db
def test_an_object_with_another_key_than_an_integer_has_no_tasks() -> None:
    rows.task(related_object_type="tasks.WorkerProcess", related_object_id=1)

    assert not TaskStatus.objects.about(rows.worker_process()).exists()


@pytest.mark.django_db
def test_a_user_model_without_staff_sees_its_own_tasks_alone() -> None:
    owner = User.objects.create_user("jane")
    own, _other = rows.task(owner=owner), rows.task()

    assert [task.pk for task in TaskStatus.objects.visible_to(SimpleNamespace(pk=owner.pk))] == [own.pk]
