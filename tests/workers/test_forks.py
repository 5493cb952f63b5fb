"""Child processes of tasks: forked, executed, orphaned."""

import shutil
import signal
import subprocess

import psutil
import pytest
from django.db import connection

from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from tests.commands import manage

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

linux = pytest.mark.skipif(not psutil.LINUX, reason="looks into /proc")


@pytest.mark.once
def test_a_task_ends_the_processes_that_it_forked(worker) -> None:
    worker("--single", "--threads", "4")
    expected = {
        "terminate": -signal.SIGTERM,
        "pool": [0, 1, 4, 9],
        "pool that is late": "late",
        "executor": [0, 1, 4, 9],
    }
    sent = [(kind, tasks.have_children.send(kind)) for _ in range(8) for kind in expected]
    for kind, message in sent:
        assert message.get_result(block=True) == expected[kind], kind


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite keeps its locks by process, and a forked child has a copy of them"
)
def test_a_forked_child_sends_in_a_session_of_its_own(worker, wait_until) -> None:
    worker("--single", "--threads", "2")
    parents = [tasks.send_from_child.send(f"{number}") for number in range(4)]
    assert [message.get_result(block=True) for message in parents] == [0] * 4
    children = TaskStatus.objects.filter(task_name=tasks.effect.actor_name)
    wait_until(lambda: children.filter(status="completed").count() == 4)
    assert set(Effect.objects.values_list("nonce", flat=True)) == {
        f"{number} {name}" for number in range(4) for name in ("before", "child", "after")
    }


@pytest.mark.once
def test_a_forked_child_that_returns_from_its_task_runs_no_other_task(worker, wait_until) -> None:
    parent = tasks.have_children.send("return")
    others = [tasks.effect.send(f"{number}") for number in range(20)]
    worker("--single", "--threads", "1")
    assert parent.get_result(block=True) == 0
    for message in others:
        message.get_result(block=True)
    assert Effect.objects.count() == len(others)


@pytest.mark.once
@linux
def test_a_program_that_a_task_starts_inherits_no_socket(worker) -> None:
    worker("--single", "--threads", "2")
    message = tasks.have_children.send("descriptors")
    found = message.get_result(block=True)
    assert "socket:" not in found
    assert ".sqlite3" not in found


# --- First process of a container ---


@pytest.fixture
def first_process(command):
    """Start a command as the first process of a pid namespace of its own."""
    if not psutil.LINUX or shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    unshare = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    tried = subprocess.run([*unshare, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("only root may make a pid namespace")

    def start(*arguments: str, **variables: str):
        return command(argv=(*unshare, *manage(*arguments)), **variables)

    return start


def inside(command) -> psutil.Process:
    """Return the first process of the namespace: the child of `unshare`."""
    [process] = psutil.Process(command.pid).children()
    return process


@pytest.mark.once
def test_a_supervisor_as_first_process_reaps_orphans_and_replaces_its_own_children(first_process, wait_until) -> None:
    command = first_process("runworker", "--processes", "1", "--threads", "2")
    orphans = [tasks.leave_orphan.send() for _ in range(3)]
    for message in orphans:
        message.get_result(block=True)
    supervisor = inside(command)
    wait_until(lambda: not zombies(supervisor), explain=lambda: zombies(supervisor))
    [worker] = [child for child in supervisor.children() if "--single" in child.cmdline()]
    worker.kill()
    command.wait_for("was ended by SIGKILL")
    assert tasks.add.send(1, 2).get_result(block=True) == 3
    supervisor.terminate()
    assert command.wait() == 0


def zombies(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if child.status() == psutil.STATUS_ZOMBIE]


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "started"),
    [
        (("runworker", "--single"), "worker started"),
        (("runrelay",), "relay started"),
        (("runscheduler",), "schedule cron="),
    ],
)
def test_a_first_process_stops_on_sigterm(first_process, arguments: tuple[str, ...], started: str) -> None:
    """The kernel drops a signal to the first process for which it has no handler."""
    command = first_process(*arguments)
    command.wait_for(started)
    inside(command).terminate()
    assert command.wait() == 0


@pytest.mark.once
def test_a_forked_child_of_a_first_process_ends_on_sigterm(first_process) -> None:
    command = first_process("runworker", "--single", "--threads", "2")
    assert tasks.have_children.send("terminate").get_result(block=True) == -signal.SIGTERM
    inside(command).terminate()
    assert command.wait() == 0
