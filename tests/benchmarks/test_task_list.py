"""The table that the benchmark of the admin's list makes."""

import pytest
from django.utils import timezone

from apps.tasks.models import TaskAttempt, TaskStatus
from benchmarks.systems import task_list


@pytest.mark.django_db(transaction=True)
def test_tasks_of_earlier_benchmarks_go_with_the_rows_that_refer_to_them() -> None:
    earlier = TaskStatus.objects.create(task_id="earlier", task_name="x", run_at=timezone.now())
    TaskAttempt.objects.create(task=earlier, attempt=0, outcome="retry", ended_at=timezone.now())
    task_list.fill(20)
    assert TaskStatus.objects.count() == 20
    assert not TaskAttempt.objects.exists()
