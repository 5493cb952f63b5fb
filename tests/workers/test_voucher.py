"""A supervisor beats for its worker processes, so that relays of other hosts do not take a busy one for dead."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psutil
import pytest
from django.db import OperationalError
from django.utils import timezone

from apps.tasks import presence
from apps.tasks.models import TaskStatus, WorkerProcess
from tests.acting import tasks
from tests.waiting import wait_until
from workers.process import identity
from workers.process.voucher import Voucher

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of this host that never beats."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def register(process: "subprocess.Popen[bytes]", *, silent_seconds: float = 60, **changes: object) -> WorkerProcess:
    worker_id = uuid.uuid4()
    presence.register(
        worker_id,
        broker_id=str(worker_id),
        host=identity.host(),
        hostname="here",
        pid=process.pid,
        process_started=identity.started(process.pid) or "",
        queues=[],
        threads=1,
    )
    beat_at = timezone.now() - timedelta(seconds=silent_seconds)
    WorkerProcess.objects.filter(pk=worker_id).update(beat_at=beat_at, **changes)
    return WorkerProcess.objects.get(pk=worker_id)


def test_a_living_process_that_is_silent_is_vouched_for(child: "subprocess.Popen[bytes]") -> None:
    worker = register(child)
    assert Voucher(lambda: [child.pid]).vouch() == 1
    vouched = WorkerProcess.objects.get()
    assert vouched.beats == worker.beats + 1
    assert timezone.now() - vouched.beat_at < timedelta(seconds=30)


def test_a_process_that_beats_itself_is_left_alone(child: "subprocess.Popen[bytes]") -> None:
    register(child, silent_seconds=0)
    assert Voucher(lambda: [child.pid]).vouch() == 0
    assert WorkerProcess.objects.get().beats == 0


def test_a_frozen_process_is_not_vouched_for(child: "subprocess.Popen[bytes]") -> None:
    register(child)
    os.kill(child.pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    assert Voucher(lambda: [child.pid]).vouch() == 0
    os.kill(child.pid, signal.SIGCONT)


def test_a_killed_process_is_not_vouched_for(child: "subprocess.Popen[bytes]") -> None:
    register(child)
    child.kill()
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert Voucher(lambda: [child.pid]).vouch() == 0
    child.wait()
    assert Voucher(lambda: [child.pid]).vouch() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"stopped_at": timezone.now()},
        {"host": "another"},
        {"process_started": "before"},
    ],
    ids=["declared dead", "another host", "an earlier process"],
)
def test_a_row_of_a_dead_or_other_process_does_not_beat(
    child: "subprocess.Popen[bytes]", changes: dict[str, Any]
) -> None:
    before = register(child, **changes)
    assert Voucher(lambda: [child.pid]).vouch() == 0
    after = WorkerProcess.objects.get()
    assert (after.beats, after.stopped_at) == (before.beats, before.stopped_at)


@pytest.mark.parametrize("error", [OperationalError("away"), RuntimeError("odd"), SystemExit()], ids=repr)
def test_the_thread_goes_on_after_an_error(
    child: "subprocess.Popen[bytes]", settings, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS = 0.2
    errors, real = [error], presence.vouch

    def vouch(**arguments: object) -> int:
        if errors:
            raise errors.pop()
        return real(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(presence, "vouch", vouch)
    register(child)
    voucher = Voucher(lambda: [child.pid])
    voucher.start()
    wait_until(lambda: WorkerProcess.objects.get().beats > 0)
    voucher.stop()
    voucher.join()


@pytest.mark.processes
def test_a_process_of_another_host_that_is_busy_in_c_code_is_not_taken_for_dead(command, worker) -> None:
    relay = command("runrelay", WORKER_HEARTBEAT_TIMEOUT_SECONDS="3")
    busy = worker("--processes", "1", "--no-relay", WORKER_HOST="another", WORKER_HEARTBEAT_TIMEOUT_SECONDS="3")
    busy.wait_for("worker started")
    relay.wait_for("relay started")
    message = tasks.hold_lock.send(8)
    message.get_result(block=True)
    row = TaskStatus.objects.get(task_id=message.message_id)
    assert (row.status, row.attempt, row.crashes) == ("completed", 0, 0)
    assert "worker died" not in relay.output
