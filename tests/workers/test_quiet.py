"""An operator lets one worker process take nothing new, or stop. Real processes read the request from their row."""

import os
import signal
import time

import pytest

from apps.tasks import presence
from apps.tasks.models import Deploy, TaskStatus, WorkerProcess
from tests.acting import tasks
from tests.acting.models import Effect

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def started(worker, wait_until):
    """Start `runworker` and wait until its processes work."""

    def start(*arguments: str, processes: int = 1, **variables: str):
        command = worker("--processes", str(processes), "--threads", "2", *arguments, **variables)
        wait_until(lambda: WorkerProcess.objects.workers().count() >= processes, explain=lambda: command.output)
        return command

    return start


def is_running(task_id: str) -> bool:
    return TaskStatus.objects.filter(task_id=task_id, started_at__isnull=False).exists()


def test_a_quiet_worker_finishes_what_it_has_until_it_is_to_work_again(started, gate, wait_until) -> None:
    started(processes=2)
    held = gate.send("held")
    wait_until(lambda: is_running(held.message_id))
    quiet = WorkerProcess.objects.get(pk=str(TaskStatus.objects.get(task_id=held.message_id).worker_id))
    assert presence.request(quiet.pk, WorkerProcess.WANTED_QUIET)
    asked = time.monotonic()
    wait_until(lambda: WorkerProcess.objects.get(pk=quiet.pk).is_quiet)
    seconds = time.monotonic() - asked
    for number in range(20):
        tasks.effect.send(str(number))
    wait_until(lambda: Effect.objects.count() == 21)
    assert quiet.pid not in set(Effect.objects.exclude(nonce="held").values_list("pid", flat=True))
    gate.open()
    held.get_result(block=True)
    row = TaskStatus.objects.get(task_id=held.message_id)
    assert (row.status, row.attempt, row.crashes) == ("completed", 0, 0)
    process = WorkerProcess.objects.get(pk=quiet.pk)
    assert process.stopped_at is None
    assert not process.trouble
    # Two beats: the first reads the request, the second tells it. A machine that does other work may be slower.
    assert seconds < 10
    presence.request(quiet.pk, "")
    wait_until(lambda: not WorkerProcess.objects.get(pk=quiet.pk).is_quiet)


def test_a_worker_that_is_asked_to_stop_ends_its_tasks_and_is_replaced_at_once(started, gate, wait_until) -> None:
    command = started(WORKER_DRAIN_SECONDS="30")
    [process] = WorkerProcess.objects.workers()
    message = gate.send("held")
    wait_until(lambda: is_running(message.message_id))
    assert presence.request(process.pk, WorkerProcess.WANTED_STOP)
    wait_until(lambda: "worker is asked to stop" in command.output)
    assert not presence.request(process.pk, WorkerProcess.WANTED_QUIET), "a request to stop stands"
    gate.open()
    wait_until(lambda: WorkerProcess.objects.workers().count() == 2, explain=lambda: command.output)
    row = TaskStatus.objects.get(task_id=message.message_id)
    assert (row.status, row.attempt, row.crashes) == ("completed", 0, 0)
    process.refresh_from_db()
    assert process.stopped_at is not None
    assert process.ended == WorkerProcess.ENDED_STOPPED
    fresh = WorkerProcess.objects.workers().exclude(pk=process.pk).get()
    assert (fresh.wanted, fresh.ended) == ("", "")
    assert "ended with exit code" not in command.output, "a planned end is no death"
    assert tasks.effect.send("n").get_result(block=True) == "n"


@pytest.mark.once
def test_a_supervisor_records_how_processes_ended_that_could_not(started, wait_until) -> None:
    started(CODE_VERSION="v7")
    for signum, ended in ((signal.SIGKILL, "killed"), (signal.SIGSEGV, "crashed")):
        wait_until(lambda: WorkerProcess.objects.workers().filter(stopped_at=None).exists())
        [process] = WorkerProcess.objects.workers().filter(stopped_at=None)
        os.kill(process.pid, signum)
        wait_until(lambda pk=process.pk, ended=ended: WorkerProcess.objects.get(pk=pk).ended == ended)
        wait_until(lambda pk=process.pk: WorkerProcess.objects.get(pk=pk).stopped_at is not None)
    # Processes of the same code, a relay among them, and those that replaced them.
    assert {process.code_version for process in WorkerProcess.objects.all()} == {"v7"}
    assert [deploy.version for deploy in Deploy.objects.all()] == ["v7"]
