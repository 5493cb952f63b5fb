"""How the thread of a worker process takes the ends of an isolated task, whatever its processes say."""

import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import Shutdown, TimeLimitExceeded
from dramatiq.threading import raise_thread_exception

from apps.tasks.errors import Cancelled, ChildError, OverTimeLimitError
from apps.tasks.values import Claim
from workers.isolation import isolated
from workers.isolation.isolated import Isolated
from workers.isolation.limits import Limits
from workers.isolation.message import Interruption, Job, Raised, Returned, Started, Verdict, pack_result
from workers.process.attempt import Attempt
from workers.process.failure import Failure

CLAIM = Claim("id", 1, 0, uuid.uuid4(), uuid.uuid4())
KILLED = Verdict("", -signal.SIGKILL, 0, 0.0)


class Task:
    """An isolated task whose processes are the test's."""

    def __init__(self) -> None:
        near_control, control, near_channel, channel = (
            Connection(end.detach()) for pair in (socket.socketpair(), socket.socketpair()) for end in pair
        )
        self.near = (near_control, near_channel)
        #: The ends of the keeper and the child.
        self.control, self.channel = control, channel
        self.attempt = Attempt(dramatiq.Message("q", "acting.work", (), {}, {}), CLAIM)
        limits = Limits(hard_ms=1_000, cpu_seconds=60.0)
        self.isolated = Isolated(self.attempt, Job("acting.work", (), {}, {}, CLAIM, None, None, 0.0, limits))
        self.result: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.thread.start()
        assert self.control.recv() == self.isolated.job.limits
        assert self.channel.recv() == self.isolated.job
        # Above the highest pid of any system.
        self.channel.send(Started(2**22 + 1))

    def _run(self) -> None:
        try:
            self.result = self.isolated.run(*self.near)
        except BaseException as error:
            self.error = error

    def cancel(self) -> None:
        self.attempt.cancellation.request()
        assert self.channel.poll(20)
        assert self.channel.recv() == Interruption(Cancelled)

    def end(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def task() -> Iterator[Task]:
    task = Task()
    task.start()
    yield task
    task.control.close()
    task.channel.close()
    task.thread.join(20)


def test_a_process_that_outlives_the_task_and_has_its_socket_does_not_keep_it(task: Task) -> None:
    task.channel.send(Returned(pack_result("n"), False))
    task.control.send(KILLED._replace(status=0))
    task.end()
    assert task.result == "n"


def test_a_keeper_that_does_not_answer_does_not_keep_a_task_that_was_stopped(task: Task, monkeypatch) -> None:
    monkeypatch.setattr(isolated, "VERDICT_SECONDS", 0.3)
    monkeypatch.setattr(isolated, "GRACE_SECONDS", 0.1)
    task.cancel()
    task.end()
    assert isinstance(task.error, Cancelled)


@pytest.mark.parametrize("over", ["time", ""])
def test_a_cancelled_task_that_dies_of_something_else_ends_cancelled_and_tells_it(task: Task, over: str) -> None:
    task.cancel()
    task.control.send(KILLED._replace(over=over))
    task.end()
    assert isinstance(task.error, OverTimeLimitError if over else ChildError)
    assert task.attempt.cancellation.ends(task.error)


@pytest.mark.parametrize("other", [TimeLimitExceeded, Shutdown])
def test_a_cancelled_task_that_is_interrupted_as_well_ends_cancelled(task: Task, other, monkeypatch) -> None:
    monkeypatch.setattr(isolated, "GRACE_SECONDS", 0.5)
    task.cancel()
    raise_thread_exception(task.thread.ident, other)
    assert task.control.poll(20)
    assert task.control.recv() == "stop"
    task.control.send(KILLED)
    task.end()
    assert isinstance(task.error, Cancelled)


def test_a_task_that_the_kernel_killed_for_its_cpu_limit_says_so(task: Task) -> None:
    task.control.send(KILLED._replace(cpu_seconds=62.0))
    task.end()
    assert str(task.error) == "over its CPU limit of 60 s (used 62.0 s)"


def test_an_exception_of_a_class_that_only_the_child_has_is_told(task: Task) -> None:
    failure = Failure(error_type="plugin.TornError", error_message="page 7 is torn", traceback="")
    packed = b"cplugin_of_the_child\nTornError\n(tR."
    task.channel.send(Raised(packed, failure, False))
    task.control.send(KILLED._replace(status=0))
    task.end()
    assert isinstance(task.error, ChildError)
    assert task.attempt.child_failure == failure


def test_a_result_of_a_class_that_only_the_child_has_fails_the_task(task: Task) -> None:
    task.channel.send(Returned(b"cplugin_of_the_child\nPage\n(tR.", False))
    task.control.send(KILLED._replace(status=0))
    task.end()
    assert isinstance(task.error, ChildError)
    assert "plugin_of_the_child" in str(task.error)
