"""Child processes of tasks: forked, executed, orphaned."""

import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from tests.commands import environment, manage

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

linux = pytest.mark.skipif(not psutil.LINUX, reason="looks into /proc")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("terminate", -signal.SIGTERM),
        ("pool", [0, 1, 4, 9]),
        ("pool that is late", "late"),
        ("executor", [0, 1, 4, 9]),
    ],
)
def test_a_task_ends_the_processes_that_it_forked(worker, kind: str, expected: object) -> None:
    worker("--processes", "1", "--threads", "4")
    sent = [tasks.have_children.send(kind) for _ in range(8)]
    assert [message.get_result(block=True, timeout=60_000) for message in sent] == [expected] * 8


def test_a_forked_child_sends_in_a_session_of_its_own(worker, wait_until) -> None:
    worker("--processes", "1", "--threads", "2")
    parents = [tasks.send_from_child.send(f"{number}") for number in range(4)]
    assert [message.get_result(block=True, timeout=60_000) for message in parents] == [0] * 4
    children = TaskStatus.objects.filter(task_name=tasks.effect.actor_name)
    wait_until(lambda: children.filter(status="completed").count() == 4, timeout=30)
    assert set(Effect.objects.values_list("nonce", flat=True)) == {
        f"{number} {name}" for number in range(4) for name in ("before", "child", "after")
    }


@linux
def test_a_program_that_a_task_starts_inherits_no_socket(worker) -> None:
    worker("--processes", "1", "--threads", "2")
    message = tasks.have_children.send("descriptors")
    found = message.get_result(block=True, timeout=60_000)
    assert "socket:" not in found
    assert ".sqlite3" not in found
