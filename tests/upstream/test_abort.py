"""dramatiq-abort: a running task gets its exception, and a waiting one is skipped."""

import time
from typing import Any

import pytest
from dramatiq_abort import Abortable, abort
from dramatiq_abort.backends import StubBackend

from apps.tasks.models import TaskStatus
from tests.acting import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_running_task_is_aborted_and_fails(install, declare, ended, wait_until) -> None:
    abortable = Abortable(backend=StubBackend())
    install(abortable)

    def waits() -> None:
        while True:
            time.sleep(0.01)

    message = declare(waits, max_retries=0).send()
    wait_until(lambda: message.message_id in abortable.manager.abortable_messages)
    abort(message.message_id, middleware=abortable)
    row = ended(message)
    assert (row.status, row.error_type) == ("failed", "dramatiq_abort.abort_manager.Abort")


def test_a_waiting_task_is_skipped(install, ended) -> None:
    abortable = Abortable(backend=StubBackend())
    message: Any = tasks.effect.message("never")
    abort(message.message_id, middleware=abortable)
    install(abortable)
    tasks.effect.broker.enqueue(message)
    assert ended(message).progress_text == "It was skipped."
    assert not TaskStatus.objects.exclude(task_id=message.message_id).exists()
