"""Real worker processes and real signals: processes that are killed, stopped or frozen, and their tasks."""

import contextlib
import os
import re
import signal
import sys
import time

import dramatiq
import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Count

from aiWriting.environment import BASE_DIR
from apps.tasks import pauses
from apps.tasks.models import TaskAttempt, TaskStatus, WorkerProcess
from tests.acting import tasks
from tests.acting.models import Effect

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def started(worker, wait_until):
    """Start `runworker` and wait until all its processes work."""

    def start(*arguments: str, processes: int = 1, **variables: str):
        # Stopped ones too: one may be declared dead while the next boots.
        known = WorkerProcess.objects.workers().count()
        command = worker("--processes", str(processes), "--threads", "4", *arguments, **variables)
        wait_until(lambda: WorkerProcess.objects.workers().count() >= known + processes, explain=lambda: command.output)
        return command

    return start


def row_of(message: dramatiq.Message) -> TaskStatus:
    return TaskStatus.objects.get(task_id=message.message_id)


def running(message: dramatiq.Message) -> bool:
    return TaskStatus.objects.filter(task_id=message.message_id, started_at__isnull=False).exists()


@pytest.mark.once
def test_a_task_runs_in_another_process_than_its_sender(started) -> None:
    started("--single")
    message = tasks.effect.send("n")
    assert message.get_result(block=True) == "n"
    assert Effect.objects.get().pid != os.getpid()


def test_a_task_of_a_killed_process_runs_again_within_3_s_and_the_process_is_replaced(started, wait_until) -> None:
    started(processes=2)
    seconds: list[float] = []
    # All is late if the processors are busy with other work. Then it may try again.
    while not seconds or (min(seconds) >= 3 and len(seconds) < 5):
        wait_until(lambda: WorkerProcess.objects.workers().filter(stopped_at=None).count() == 2)
        nonce = f"n{len(seconds)}"
        message = tasks.slow_effect.send(nonce, 1)
        wait_until(lambda message=message: running(message))
        wait_until(lambda nonce=nonce: Effect.objects.filter(nonce=nonce).exists())
        os.kill(WorkerProcess.objects.get(pk=str(row_of(message).worker_id)).pid, signal.SIGKILL)
        killed = time.monotonic()
        wait_until(lambda nonce=nonce: Effect.objects.filter(nonce=nonce).count() == 2)
        seconds.append(time.monotonic() - killed)
        assert message.get_result(block=True) == nonce
        row = row_of(message)
        assert (row.status, row.attempt, row.crashes, row.retries) == ("completed", 1, 1, 0)
    wait_until(lambda: WorkerProcess.objects.workers().filter(stopped_at=None).count() == 2)
    assert min(seconds) < 3


def test_a_killed_process_does_not_stop_its_siblings(started, gate, wait_until) -> None:
    started(processes=2)
    messages = [gate.send(str(number)) for number in range(4)]
    wait_until(lambda: all(running(message) for message in messages))
    holders = TaskStatus.objects.values("worker_id")
    victim = WorkerProcess.objects.workers().filter(pk__in=holders)[0]
    lost = TaskStatus.objects.filter(worker_id=victim.pk).count()
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: Effect.objects.count() == 4 + lost)
    gate.open()
    for message in messages:
        message.get_result(block=True)
    assert TaskStatus.objects.filter(crashes=1).count() == lost
    assert Effect.objects.count() == 4 + lost


def test_a_stopped_worker_lets_short_tasks_end_and_releases_long_ones(started, gate, wait_until) -> None:
    command = started(WORKER_DRAIN_SECONDS="2")
    short, long = gate.send("short"), tasks.slow_effect.send("long", 600)
    wait_until(lambda: running(short) and running(long))
    waiting = [tasks.slow_effect.send(f"waiting {number}", 0.1) for number in range(10)]
    command.send_signal(signal.SIGTERM)
    gate.open()
    assert command.wait() == 0
    assert row_of(short).status == "completed"
    row = row_of(long)
    assert (row.status, row.attempt, row.retries, row.crashes) == ("pending", 1, 0, 0)
    assert not TaskStatus.objects.filter(status="processing").exists()
    started(WORKER_DRAIN_SECONDS="1")
    for message in waiting:
        message.get_result(block=True)
    assert {row_of(message).crashes for message in waiting} == {0}
    wait_until(lambda: Effect.objects.filter(nonce="long").count() == 2)


def test_two_sigterms_to_the_whole_process_group_still_let_tasks_end(started, wait_until) -> None:
    command = started(WORKER_DRAIN_SECONDS="30")
    message = tasks.slow_effect.send("n", 1.5)
    wait_until(lambda: running(message))
    processes = [command.process.pid, *(process.pid for process in command.descendants())]
    for _ in range(2):
        for pid in processes:
            terminate(pid)
    assert command.wait() == 0
    row = row_of(message)
    assert (row.status, row.attempt) == ("completed", 0)


@pytest.mark.once
def test_a_running_task_gets_the_whole_drain_while_others_end_at_other_times(started, wait_until) -> None:
    """Counted once a thread, the drain would be over with the shorter ones."""
    command = started("--single", "--threads", "16", WORKER_DRAIN_SECONDS="10")
    lengths = [1 + number / 20 for number in range(14)] + [2.5, 2.6]
    messages = [tasks.slow_effect.send(f"{length}", length) for length in lengths]
    wait_until(lambda: all(running(message) for message in messages))
    assert command.stop() == 0
    assert [(row_of(message).status, row_of(message).attempt) for message in messages] == [("completed", 0)] * 16


@pytest.mark.once
@pytest.mark.parametrize("threads", ["1", "4"])
def test_rundramatiq_lets_its_task_end_however_often_it_is_signalled(command, wait_until, threads: str) -> None:
    started = command("rundramatiq", "--processes", "1", "--threads", threads)
    wait_until(WorkerProcess.objects.exists, explain=lambda: started.output)
    message = tasks.slow_effect.send("n", 1.5)
    wait_until(lambda: running(message))
    for _ in range(2):
        for pid in [started.pid, *(process.pid for process in started.descendants())]:
            terminate(pid)
    assert started.wait() == 0
    assert (row_of(message).status, row_of(message).attempt) == ("completed", 0)
    assert WorkerProcess.objects.get().stopped_at is not None


@pytest.mark.once
def test_rundramatiq_stops_although_its_event_loop_is_blocked(command, wait_until) -> None:
    started = command("rundramatiq", "--processes", "1", "--threads", "2", "--worker-shutdown-timeout", "500")
    wait_until(WorkerProcess.objects.exists, explain=lambda: started.output)
    message = tasks.harm_loop.send("block")
    wait_until(lambda: running(message))
    assert started.stop() == 0
    assert row_of(message).status == "pending"


def terminate(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def test_poison_fails_and_its_innocent_neighbours_complete(broker, started, wait_until) -> None:
    innocent = [tasks.innocent.send(str(number)) for number in range(25)]
    poison = tasks.poison.send("poison")
    innocent += [tasks.innocent.send(str(number)) for number in range(25, 50)]
    started(TASK_MAX_CRASHES="3")
    wait_until(lambda: not TaskStatus.objects.unfinished().exists(), explain=counts)
    assert {row_of(message).status for message in innocent} == {"completed"}
    row = row_of(poison)
    assert (row.status, row.crashes) == ("failed", 3)
    assert "died 3 times" in row.error_message
    assert Effect.objects.filter(nonce="poison").count() == 3
    assert list(TaskAttempt.objects.filter(task=row).values_list("outcome", flat=True)) == [
        "rescue",
        "rescue",
        "poison",
    ]


def counts() -> object:
    return list(TaskStatus.objects.values_list("status", "crashes").annotate(Count("id")))


def freeze(pid: int) -> None:
    """Stop a process while it does not hold SQLite's only write lock."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA busy_timeout = 100")
            try:
                with transaction.atomic():
                    return
            except OperationalError:
                os.kill(pid, signal.SIGCONT)
            finally:
                if connection.vendor == "sqlite":
                    cursor.execute("PRAGMA busy_timeout = 20000")


def test_a_frozen_process_of_another_host_is_superseded_and_never_finishes_twice(started, wait_until) -> None:
    first = started(WORKER_HOST="another", WORKER_HEARTBEAT_TIMEOUT_SECONDS="2")
    message = tasks.slow_effect.send("n", 1)
    wait_until(lambda: running(message))
    frozen = WorkerProcess.objects.workers().get()
    freeze(frozen.pid)
    started(WORKER_HEARTBEAT_TIMEOUT_SECONDS="2")
    assert message.get_result(block=True) == "n"
    row = row_of(message)
    assert (row.status, row.attempt) == ("completed", 1)
    finished_at = row.finished_at
    os.kill(frozen.pid, signal.SIGCONT)
    wait_until(lambda: "stale outcome refused" in first.output or "declared dead" in first.output)
    assert row_of(message).finished_at == finished_at
    wait_until(lambda: WorkerProcess.objects.workers().filter(stopped_at=None).count() >= 2)


@pytest.mark.once
def test_a_worker_of_an_unknown_queue_ends_with_an_error_that_lists_the_known_ones(command) -> None:
    started = command("runworker", "--queues", "slwo")
    started.killed = True
    assert started.wait() == 1
    assert "Unknown queue 'slwo', must be one of: default, documents" in started.output
    assert "Traceback" not in started.output


@pytest.mark.once
def test_every_process_type_knows_the_same_actors(command, started) -> None:
    """Web and scheduler learn them by `django.setup()`, as this process does. The worker is asked by a task."""
    expected = sorted(dramatiq.get_broker().actors)
    code = "import dramatiq; print('ACTORS', sorted(dramatiq.get_broker().actors))"
    shell = command("shell", "--no-imports", "-c", code)
    web = command(argv=(sys.executable, "-c", f"import aiWriting.asgi\n{code}"))
    scheduler = command("runscheduler")
    for process in (shell, web):
        assert process.wait() == 0
        assert re.findall(r"ACTORS (.*)", process.output) == [str(expected)]
    for name in ("documents.clean_expired_documents", "projects.send_weekly_report"):
        scheduler.wait_for(f"actor={name}")
    started("--single")
    seen = tasks.known_actors.send()
    assert seen.get_result(block=True) == expected


@pytest.mark.once
def test_a_worker_started_in_a_folder_with_modules_named_like_others_works(command, wait_until) -> None:
    """`workers/wire` has a `queue.py`, which the standard library's would be taken for."""
    folder, manage = BASE_DIR / "workers" / "wire", str(BASE_DIR / "manage.py")
    running = command(argv=(sys.executable, manage, "runworker", "--processes", "1"), cwd=folder)
    wait_until(WorkerProcess.objects.workers().exists, explain=lambda: running.output)
    assert tasks.effect.send("n").get_result(block=True) == "n"


@pytest.mark.once
@pytest.mark.parametrize("kind", ["queue", "actor"])
def test_a_pause_outlives_the_death_of_all_processes(started, gate, wait_until, kind: str) -> None:
    command = started(processes=2)
    running_ones = [gate.send(str(number)) for number in range(2)]
    wait_until(lambda: all(running(message) for message in running_ones))
    pauses.pause(kind, {"queue": "slow", "actor": "acting.slow_effect"}[kind], by="jane")
    wait_until(lambda: command.output.count("pauses changed") == 2)
    waiting = [tasks.slow_effect.send(f"waits {number}", 0) for number in range(20)]
    for process in WorkerProcess.objects.workers().filter(stopped_at=None):
        os.kill(process.pid, signal.SIGKILL)
    # Their successors know of the pause before they fetch.
    wait_until(lambda: command.output.count("pauses changed") >= 4)
    tasks.effect.send("other").get_result(block=True)
    assert not TaskStatus.objects.filter(task_name="acting.slow_effect").exclude(status="pending").exists()
    gate.open()
    pauses.resume(kind, {"queue": "slow", "actor": "acting.slow_effect"}[kind])
    for message in (*waiting, *running_ones):
        message.get_result(block=True)
    assert Effect.objects.filter(nonce__startswith="waits").count() == 20
    assert not TaskStatus.objects.filter(task_name="acting.slow_effect", retries__gt=0).exists()
