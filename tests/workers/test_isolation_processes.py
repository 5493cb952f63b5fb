"""Isolated tasks of real worker processes that stop or are killed.

It takes seconds: each worker process loads Django, and so does its server.
"""

import os
import signal
from collections.abc import Callable
from types import ModuleType
from typing import Any

import psutil
import pytest

from apps.tasks.models import TaskStatus, WorkerProcess
from tests.acting.models import Effect
from tests.commands import is_gone

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def running(
    worker: Callable[..., Any], actors: ModuleType, gate: Any, wait_until: Callable[..., None]
) -> Callable[..., Any]:
    """Start a worker and an isolated task that waits at the gate. Return the command and the pid of the child."""

    def start(*arguments: str, **variables: str) -> tuple[Any, int]:
        command = worker("--processes", "1", "--threads", "2", *arguments, ACTING_ISOLATED="1", **variables)
        actors.isolated_wait.send(str(gate.path), "n")
        wait_until(Effect.objects.exists, explain=lambda: command.output)
        return command, Effect.objects.get().pid

    return start


def test_a_worker_that_stops_kills_its_isolated_tasks_and_releases_them(running, wait_until) -> None:
    command, child = running("--single", WORKER_DRAIN_SECONDS="0")
    family = [psutil.Process(child), *psutil.Process(child).parents()[:2]]
    assert command.stop() == 0
    wait_until(lambda: all(is_gone(process.pid) for process in family))
    row = TaskStatus.objects.get()
    assert (row.status, row.attempt, row.retries, row.crashes, row.error_message) == ("pending", 1, 0, 0, "")


def test_sigterm_to_every_process_lets_an_isolated_task_use_its_time(running, gate, wait_until) -> None:
    command, child = running("--single", WORKER_DRAIN_SECONDS="60")
    family = [psutil.Process(child), *psutil.Process(child).parents()[:3]]
    for process in family:
        process.send_signal(signal.SIGTERM)
    gate.open()
    assert command.wait() == 0
    row = TaskStatus.objects.get()
    assert (row.status, row.result, row.attempt) == ("completed", "n", 0)


def test_the_child_of_a_killed_worker_dies_and_its_task_runs_again(running, gate, wait_until) -> None:
    _, child = running()
    family = [child, *(process.pid for process in psutil.Process(child).parents()[:2])]
    os.kill(WorkerProcess.objects.workers().get().pid, signal.SIGKILL)
    wait_until(lambda: all(map(is_gone, family)))
    wait_until(lambda: Effect.objects.count() == 2)
    gate.open()
    wait_until(lambda: not TaskStatus.objects.unfinished().exists())
    row = TaskStatus.objects.get()
    assert (row.status, row.attempt, row.crashes) == ("completed", 1, 1)
