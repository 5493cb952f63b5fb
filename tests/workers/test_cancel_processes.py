"""Real worker processes: after its row says `cancelled`, nothing of a task reaches the database any more."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from apps.tasks import ledger
from apps.tasks.models import TaskStatus, WorkerProcess
from tests.acting import tasks
from tests.acting.models import Effect

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

#: Seconds of one statement of the task, on PostgreSQL. It is under way when the worker is killed.
STATEMENT_SECONDS = 1.0


# Over two seconds: the last step outlives the statement that was under way.
@pytest.mark.parametrize("is_killed", [False, True], ids=["running", "killed"])
def test_a_cancelled_task_does_nothing_more_to_the_database(
    is_killed: bool, worker: Callable[..., Any], wait_until: Callable[..., Any], ended: Callable[..., TaskStatus]
) -> None:
    worker("--processes", "2", "--threads", "2")
    message = tasks.write_on.send("on", STATEMENT_SECONDS)
    wait_until(Effect.objects.filter(nonce="on").exists)
    if is_killed:
        holders = TaskStatus.objects.filter(task_id=message.message_id).values("worker_id")
        os.kill(WorkerProcess.objects.get(pk__in=holders).pid, signal.SIGKILL)
    ledger.cancel(message.message_id)

    row = ended(message)

    count = Effect.objects.filter(nonce="on").count()
    assert (row.status, row.retries) == ("cancelled", 0)
    seconds = 1.5 * STATEMENT_SECONDS if connection.vendor == "postgresql" else 0.2
    ended(tasks.slow_effect.send("later", seconds))
    assert Effect.objects.filter(nonce="on").count() == count
