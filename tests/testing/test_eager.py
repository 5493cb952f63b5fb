"""`TASK_EAGER`: a task runs in the thread that sends it."""

import pytest
from django.db import transaction
from django.test import TestCase, override_settings

from apps.tasks import states
from apps.tasks.models import TaskStatus
from tests.acting import tasks as acting
from workers.testing import run_due


@override_settings(TASK_EAGER=True)
@pytest.mark.django_db  # On both databases.
class TestEager(TestCase):
    def test_a_task_has_run_when_its_send_returns(self) -> None:
        acting.effect.send("a")
        assert TaskStatus.objects.get().status == states.COMPLETED

    def test_a_task_of_a_block_runs_once_it_is_left(self) -> None:
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            acting.effect.send("a")
            assert TaskStatus.objects.get().status == states.PENDING
        assert TaskStatus.objects.get().status == states.COMPLETED

    def test_what_a_task_sends_runs_after_it(self) -> None:
        acting.send_child.send("a")
        assert [row.status for row in TaskStatus.objects.all()] == [states.COMPLETED] * 2

    def test_an_error_is_the_rows(self) -> None:
        acting.transactional_failure.send("a")
        assert TaskStatus.objects.get().status == states.FAILED


@pytest.mark.django_db
def test_a_task_waits_once_the_setting_is_off() -> None:
    with override_settings(TASK_EAGER=True):
        acting.say.send(1)
    acting.say.send(2)
    assert [row.result for row in run_due()] == [2]


@pytest.mark.django_db(transaction=True)
def test_a_task_runs_after_the_commit() -> None:
    with override_settings(TASK_EAGER=True):
        with transaction.atomic():
            acting.say.send(1)
            assert TaskStatus.objects.get().status == states.PENDING
        assert TaskStatus.objects.get().status == states.COMPLETED
