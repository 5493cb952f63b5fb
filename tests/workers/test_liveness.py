"""The probe of `runworker`: a file and a port that tell a platform whether its worker processes work."""

import contextlib
import http.client
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from apps.tasks.models import TaskStatus, WorkerProcess
from tests import rows
from tests.acting import tasks
from tests.waiting import wait_until
from workers.embedded.server import free_port
from workers.liveness.file import ProbeFile
from workers.liveness.port import ProbePort
from workers.liveness.probe import Probe, Verdict
from workers.process import identity

pytestmark = [pytest.mark.django_db(transaction=True)]

LONG = timedelta(minutes=5)
FAILING = Verdict(failures=("worker 1: It does not beat",))


@pytest.fixture
def probe(broker: Any) -> Probe:
    """A probe of this very process."""
    return Probe(lambda: [os.getpid()], broker=broker, doors=[])


def registered(**values: Any) -> WorkerProcess:
    """Make the row of this process, which beats and takes tasks."""
    me, later = identity.of_this_process(), timezone.now() + LONG
    defaults = {
        "host": me.host, "pid": me.pid, "process_started": me.started, "beat_at": later, "taken_at": later,
    }  # fmt: skip
    return rows.worker_process(**{**defaults, **values})


def wait_in_vain(probe: Probe) -> None:
    """Let the patience of a probe pass."""
    probe.worked_at -= 1000
    probe.seen = {pid: seen - 1000 for pid, seen in probe.seen.items()}


# --- The verdict ---


def test_a_process_that_works_is_alive(probe: Probe) -> None:
    registered()
    assert probe.look() == Verdict()
    wait_in_vain(probe)
    assert probe.look() == Verdict()


def test_a_process_that_does_not_start_in_time_fails(probe: Probe) -> None:
    assert probe.look().is_alive
    wait_in_vain(probe)
    assert probe.look().failures == (f"worker {os.getpid()}: It does not beat",)


def test_processes_that_end_again_and_again_fail(probe: Probe) -> None:
    pids = iter(range(10**6, 10**6 + 5))
    probe.pids = lambda: [next(pids)]
    assert probe.look().is_alive
    wait_in_vain(probe)
    assert probe.look().failures == ("No worker process starts",)
    # Their supervisor waits before it starts the next one.
    probe.pids = list
    assert probe.look().failures == ("No worker process starts",)


@pytest.mark.parametrize(
    "values",
    [
        {"beat_at": timezone.now() - LONG},
        {"stopped_at": timezone.now()},
        {"host": "another"},
        {"process_started": "another"},
        {"kind": "relay"},
    ],
)
def test_a_process_whose_row_does_not_beat_fails(probe: Probe, values: dict[str, Any]) -> None:
    registered(**values)
    assert probe.look().is_alive
    wait_in_vain(probe)
    assert not probe.look().is_alive


@pytest.mark.parametrize(
    ("trouble", "sentence"), [("writer", "It cannot write outcomes"), ("claims", "It cannot claim tasks")]
)
def test_a_process_that_says_that_it_cannot_work_fails(probe: Probe, trouble: str, sentence: str) -> None:
    registered(trouble=trouble)
    assert probe.look().failures == (f"worker {os.getpid()}: {sentence}",)


@pytest.mark.parametrize("is_fetched", [False, True])
def test_a_process_that_takes_none_of_the_due_tasks_fails(probe: Probe, is_fetched: bool) -> None:
    row = registered(taken_at=timezone.now() - LONG)
    assert probe.look().is_alive
    tasks.effect.send("n")
    TaskStatus.objects.update(run_at=timezone.now() - LONG)
    if is_fetched:
        assert probe.broker.wire.fetch("default", row.broker_id, limit=1)
    assert probe.look().failures == (f"worker {os.getpid()}: It takes no task, although tasks are due",)
    WorkerProcess.objects.update(taken_at=timezone.now() + LONG)
    assert probe.look().is_alive


def test_a_task_whose_message_is_lost_is_for_a_relay_to_publish(probe: Probe) -> None:
    registered(taken_at=timezone.now() - LONG)
    rows.task(status="pending", run_at=timezone.now() - LONG)
    assert probe.look() == Verdict()


@pytest.mark.parametrize("error", [redis.ConnectionError("away"), redis.exceptions.OutOfMemoryError("full")])
def test_redis_that_is_away_or_full_is_no_reason_for_a_restart(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, error: redis.RedisError
) -> None:
    def away() -> None:
        raise error

    registered(taken_at=timezone.now() - LONG)
    rows.task(status="pending", run_at=timezone.now() - LONG)
    monkeypatch.setattr("workers.liveness.probe.write_to_redis", away)
    assert probe.look() == Verdict(waits_for=("redis",))


def test_a_database_that_is_away_is_no_reason_for_a_restart(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("away")

    assert probe.look().is_alive
    wait_in_vain(probe)
    with monkeypatch.context() as patch:
        patch.setattr(WorkerProcess.objects, "workers", away)
        assert probe.look() == Verdict(waits_for=("database",))
    assert probe.look().is_alive, "the processes get their whole time again"


def test_a_probe_goes_on_after_an_error_of_any_kind(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[int]:
        raise RuntimeError("broken")

    probe.pids = broken
    assert probe.look() == Verdict(waits_for=("probe",))


# --- The doors ---


def test_the_file_is_there_while_the_processes_work(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    door = ProbeFile(path)
    assert path.exists()
    os.utime(path, (1, 1))
    door.show(Verdict())
    assert path.stat().st_mtime > 1
    door.show(FAILING)
    assert not path.exists()
    door.show(FAILING)
    door.show(Verdict())
    assert path.exists()
    door.close()
    assert not path.exists()


@pytest.fixture
def port() -> Iterator[ProbePort]:
    door = ProbePort(free_port())
    yield door
    door.close()


def ask(port: int, *, method: str = "GET", path: str = "/") -> tuple[int, Any]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body else None


def test_the_port_answers_any_path_with_the_verdict(port: ProbePort) -> None:
    number = port.server_address[1]
    alive = {"status": "alive", "failures": [], "waits_for": []}
    assert ask(number) == ask(number, path="/any/path") == (200, alive)
    assert ask(number, method="HEAD") == (200, None)
    port.show(FAILING)
    assert ask(number) == (503, {"status": "failing", "failures": list(FAILING.failures), "waits_for": []})
    assert ask(number, method="HEAD") == (503, None)
    port.show(Verdict(waits_for=("database",)))
    assert ask(number) == (200, {**alive, "waits_for": ["database"]})


def test_a_client_that_says_nothing_holds_up_no_other(port: ProbePort) -> None:
    address = ("127.0.0.1", port.server_address[1])
    with socket.create_connection(address), socket.create_connection(address):
        assert ask(address[1])[0] == 200


@pytest.mark.parametrize("number", [0, -1, 65536])
def test_an_impossible_port_is_refused(number: int) -> None:
    with pytest.raises(CommandError, match=f"--probe-port is {number}, must be 1 to 65535"):
        call_command("runworker", probe_port=number)


def test_a_port_that_is_taken_is_refused(port: ProbePort) -> None:
    number = port.server_address[1]
    with pytest.raises(CommandError, match=f"--probe-port {number} cannot be used: Address already in use"):
        call_command("runworker", probe_port=number)


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "alive"
    with pytest.raises(CommandError, match=f"--probe-file {path} cannot be written: No such file"):
        call_command("runworker", probe_file=str(path))


@pytest.mark.parametrize("name", ["", "."])
def test_a_folder_is_no_file_for_a_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It can be touched and not deleted, so it would never fail."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=f"--probe-file {name} cannot be written: Is a directory"):
        call_command("runworker", probe_file=name)


# --- A whole supervisor ---


@pytest.mark.once
@pytest.mark.processes
@pytest.mark.parametrize("is_single", [False, True])
def test_a_frozen_worker_process_fails_the_probe_and_its_replacement_succeeds(
    command: Callable[..., Any], tmp_path: Path, is_single: bool
) -> None:
    path, number = tmp_path / "alive", free_port()
    flags = ("--single",) if is_single else ("--processes", "1")
    running = command(
        *("runworker", *flags, "--threads", "2", "--probe-file", str(path), "--probe-port", str(number)),
        WORKER_STALL_SECONDS="1",
        WORKER_HEARTBEAT_TIMEOUT_SECONDS="2",
    )
    workers = WorkerProcess.objects.workers().filter(stopped_at=None)
    wait_until(workers.exists, explain=lambda: running.output)
    wait_until(lambda: path.exists() and ask(number)[0] == 200, explain=lambda: running.output)
    if not is_single:
        os.kill(workers.get().pid, signal.SIGSTOP)
        wait_until(lambda: not path.exists(), explain=lambda: running.output)
        assert ask(number)[0] == 503
        assert "probe fails reasons=" in running.output
        frozen = WorkerProcess.objects.workers().get().pid
        os.kill(frozen, signal.SIGCONT)
        wait_until(lambda: path.exists() and ask(number)[0] == 200, explain=lambda: running.output)
    assert running.stop() == 0
    assert not path.exists()
