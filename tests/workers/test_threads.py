"""A thread that all tasks of a process need dies, or is nearly killed by an error that no one catches."""

import threading
import uuid
from typing import Any

import pytest

from apps.tasks import ledger, presence
from apps.tasks.models import TaskStatus, WorkerProcess
from tests.acting import tasks
from workers.process import reconciler

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # A thread that is to be replaced dies of it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

HARM = {
    "exit": ("failed", "the input cannot be read"),
    "child exits": ("failed", "the input cannot be read"),
    "callback exits": ("completed", ""),
    "interrupt": ("failed", "KeyboardInterrupt"),
    "cancel": ("failed", "CancelledError"),
    "stop iteration": ("failed", "coroutine raised StopIteration"),
    "generator exit": ("failed", "GeneratorExit"),
    "stop": ("completed", ""),
}


def once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, thread: str = "") -> list[str]:
    """Let the next call of a function exit its thread. Return a list that is filled then.

    Parameters:
      thread: Name of the thread that is to make the call. Empty: any.
    """
    real = getattr(owner, name)
    raised: list[str] = []

    def exits(*args: Any, **kwargs: Any) -> Any:
        if not raised and threading.current_thread().name.startswith(thread):
            raised.append(name)
            raise SystemExit("as a library did")
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, exits)
    return raised


@pytest.mark.parametrize("kind", HARM)
def test_an_async_task_harms_itself_alone(working, ended, kind: str) -> None:
    neighbour = tasks.hello.send("before")
    harmful = [tasks.harm_loop.send(kind) for _ in range(3)]
    others = [tasks.hello.send(f"{number}") for number in range(3)]
    rows = [ended(message) for message in harmful]
    assert [(row.status, row.error_message) for row in rows] == [HARM[kind]] * 3
    assert {ended(message).status for message in (neighbour, *others)} == {"completed"}
    assert working.broker.runtime.dead_threads() == []


@pytest.mark.parametrize("name", ["claim", "finish", "report"])
def test_a_task_ends_although_a_thread_was_to_exit_at_a_statement(
    working, ended, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.05)
    raised = once(monkeypatch, ledger, name)
    messages = [tasks.slow_effect.send(f"{number}", 0.3) for number in range(3)]
    assert {ended(message).status for message in messages} == {"completed"}
    assert raised == [name]
    assert working.broker.runtime.dead_threads() == []


def test_a_consumer_thread_that_exits_is_replaced(
    working, broker, ended, wait_until, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = working.consumers["default"]
    raised = once(monkeypatch, broker.wire, "wait_and_fetch")
    wait_until(lambda: raised)
    message = tasks.add.send(1, 2)
    assert ended(message).status == "completed"
    wait_until(lambda: all(thread.is_alive() for thread in working.consumers.values()))
    assert dead in working.consumers.values() or not dead.is_alive()


def test_the_reconciler_goes_on_after_an_exit(working, broker, wait_until, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.05)
    raised = once(monkeypatch, ledger, "held_by")
    wait_until(lambda: raised)
    message = tasks.add.message(1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(broker.wire, "publish_packed", lambda packed: False)
        broker.enqueue(message)
    # Claimed for this process, which does not know of it.
    ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=broker.runtime.worker_id)
    wait_until(lambda: TaskStatus.objects.finished().exists())
    assert TaskStatus.objects.get().attempt == 1


def test_the_heartbeat_goes_on_after_an_exit(
    broker, booted, request, settings, wait_until, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS = 1
    raised = once(monkeypatch, presence, "beat", thread="heartbeat")
    request.getfixturevalue("working")
    wait_until(lambda: raised and WorkerProcess.objects.workers().get().beats > 0)


def test_a_worker_thread_is_replaced_when_there_is_room_for_a_thread_again(
    working, broker, ended, wait_until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`can't start new thread` at the first try."""
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.05)
    tries, real = [], working._add_worker

    def fail(message: object) -> None:
        raise RuntimeError("a broken middleware")

    def add() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("can't start new thread")
        real()

    monkeypatch.setattr(working, "_add_worker", add)
    victim = working.workers[0]
    monkeypatch.setattr(victim, "process_message", fail)
    for _ in range(20):
        tasks.add.send(1, 2)
    wait_until(lambda: not victim.is_alive())
    wait_until(lambda: len(working.workers) == 4 and all(thread.is_alive() for thread in working.workers))
    wait_until(lambda: not TaskStatus.objects.unfinished().exists())
    assert len(tries) == 2


@pytest.mark.once
@pytest.mark.processes
def test_a_process_whose_event_loop_died_is_replaced_and_the_guilty_task_ends_as_poison(worker, ended) -> None:
    command = worker("--processes", "1", "--threads", "2", TASK_MAX_CRASHES="2")
    guilty = tasks.harm_loop.send("break")
    command.wait_for("thread died, process ends threads=")
    command.wait_for("ended with exit code 70")
    row = ended(guilty)
    assert (row.status, row.crashes) == ("failed", 2)
    assert tasks.hello.send("you").get_result(block=True) == "Hello you"
