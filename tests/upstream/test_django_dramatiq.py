"""django-dramatiq's test case: a worker in the test's process, and a join of the broker."""

import pytest
from django_dramatiq.test import DramatiqTestCase

from apps.tasks.models import TaskStatus
from tests.acting import tasks


@pytest.mark.usefixtures("broker", "booted")
class TestWithAWorker(DramatiqTestCase):  # type: ignore[misc]
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.broker.middleware.pop)  # Dramatiq adds one for each worker.

    def test_a_task_has_run_after_the_join(self) -> None:
        message = tasks.add.send(1, 2)
        self.broker.join("default")
        self.worker.join()
        assert TaskStatus.objects.get(task_id=message.message_id).result == 3

    def test_a_retry_that_need_not_wait_runs_without_a_relay(self) -> None:
        message = tasks.fail_times.send_with_options(args=(3,), min_backoff=0, max_retries=3)
        self.broker.join(tasks.fail_times.queue_name)
        assert TaskStatus.objects.get(task_id=message.message_id).retries == 3
