"""Isolated tasks: a child process runs the function, and all else is as for any task."""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from django.db import connection

from apps.tasks import ledger, stacks
from apps.tasks.models import TaskAttempt, TaskStatus
from tests.acting.models import Effect
from tests.commands import is_gone
from tests.isolated_server import isolation_of, variables
from workers.isolation.fork_server import ForkServer

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """One server for all tests of the module: it takes a second to start."""
    server = ForkServer()
    yield server
    server.stop()


@pytest.fixture
def isolated(actors: ModuleType, server: ForkServer, working: Any, broker: Any, monkeypatch) -> ModuleType:
    """The isolated actors, and a worker in the test's own process that takes them."""
    server.env = variables()
    isolation = isolation_of(broker)
    # Before the first task, whose time limits would not wait for it.
    server.start()
    monkeypatch.setattr(isolation, "server", server)
    monkeypatch.setattr(server, "stop", lambda: None)
    return actors


def attempts_of(row: TaskStatus) -> list[TaskAttempt]:
    return list(TaskAttempt.objects.filter(task_id=row.pk).order_by("attempt"))


# --- As in a thread ------------------------------------------------------------------------------


def test_a_task_runs_in_another_process_and_all_else_is_as_for_any_task(isolated, ended) -> None:
    message = isolated.isolated_effect.send("n")
    row = ended(message)
    assert row.status == "completed", row.error_message
    effect = Effect.objects.get(nonce="n")
    assert row.result["pid"] == effect.pid != os.getpid()
    assert row.result["current"] == effect.task_id == message.message_id
    sent = message.copy(message_id=row.result["sent"])
    assert ended(sent).status == "completed"
    assert is_gone(effect.pid)


def test_the_row_shows_the_progress_of_a_child_while_it_runs(isolated, gate, wait_until) -> None:
    message = isolated.isolated_wait.send(str(gate.path), "n")
    row = TaskStatus.objects.filter(task_id=message.message_id)
    wait_until(lambda: row.filter(progress=30, progress_text="waits").exists())
    gate.open()
    assert message.get_result(block=True, timeout=30_000) == "n"


def test_a_task_puts_itself_off(isolated, ended) -> None:
    row = ended(isolated.isolated_again.send())
    assert (row.status, row.result, row.snoozes) == ("completed", 1, 1)


def test_an_async_task_has_an_event_loop_of_its_own(isolated, ended) -> None:
    row = ended(isolated.isolated_hello.send("Ada"))
    assert row.status == "completed", row.error_message
    name, _, pid = row.result.partition(" of ")
    assert name == "Hello Ada"
    assert int(pid) != os.getpid()


def test_the_stack_of_an_isolated_task_is_that_of_its_function(isolated, gate, wait_until) -> None:
    message = isolated.isolated_wait.send(str(gate.path), "n")
    wait_until(lambda: TaskStatus.objects.filter(progress=30).exists())
    row = TaskStatus.objects.get(task_id=message.message_id)
    for _ in range(2):  # The second answer is as fresh as the first.
        stacks.ask(row)
        answer = stacks.wait(row, seconds=60)
        assert answer is not None
        frames = stacks.frames_of(answer)
        assert [frame.name for frame in frames if not frame.is_library] == ["isolated_wait"]
        assert frames[0].name != "_bootstrap", "the main thread of the child"
    gate.open()
    assert message.get_result(block=True, timeout=60_000) == "n"


def test_the_stack_of_an_isolated_async_task_is_that_of_its_coroutine(isolated, wait_until) -> None:
    message = isolated.isolated_long_async.send("async")
    wait_until(lambda: TaskStatus.objects.filter(progress=30).exists())
    row = TaskStatus.objects.get(task_id=message.message_id)
    stacks.ask(row)
    answer = stacks.wait(row, seconds=60)
    assert answer is not None
    names = [frame.name for frame in stacks.frames_of(answer) if not frame.is_library]
    assert names[0] == "isolated_long_async"
    ledger.cancel(message.message_id)
    wait_until(lambda: not TaskStatus.objects.unfinished().exists())


def test_an_exception_has_its_class_its_text_and_its_traceback(isolated, ended) -> None:
    row = ended(isolated.isolated_failure.send("error"))
    assert (row.status, row.error_type, row.error_message) == ("failed", "LookupError", "no such page")
    assert 'raise LookupError("no such page")' in row.traceback
    assert len(attempts_of(row)) == 1


@pytest.mark.parametrize(
    ("kind", "error_type", "error_message"),
    [
        ("own error", "tests.acting.isolated.OwnError", "page 7 is torn"),
        ("local error", "tests.acting.isolated.isolated_failure.<locals>.LocalError", "of a function"),
        ("exit", "SystemExit", "the input cannot be read"),
        (
            "no json",
            "TypeError",
            "It ran, but its result cannot be stored as JSON: Object of type object is not JSON serializable",
        ),
    ],
)
def test_an_exception_or_a_result_that_no_pickle_carries_is_told_all_the_same(
    isolated, ended, kind: str, error_type: str, error_message: str
) -> None:
    row = ended(isolated.isolated_failure.send(kind))
    assert (row.status, row.error_type, row.error_message) == ("failed", error_type, error_message)


def test_an_error_that_the_actor_throws_is_known_by_its_class(isolated, ended) -> None:
    row = ended(isolated.isolated_thrown.send())
    assert (row.status, row.retries, row.error_message) == ("failed", 0, "page 1 is torn")


def test_a_child_can_snooze_its_task(isolated, ended) -> None:
    row = ended(isolated.isolated_failure.send("snooze"))
    assert (row.status, row.result, row.snoozes) == ("completed", "woke up", 1)


def test_a_transactional_task_commits_with_its_outcome_and_what_follows_it(isolated, ended, wait_until) -> None:
    message = isolated.isolated_transaction.send("n", "returns")
    row = ended(message)
    assert (row.status, row.result, row.error_message) == ("completed", "n", "")
    assert Effect.objects.filter(nonce="n").count() == 1
    wait_until(lambda: TaskStatus.objects.filter(task_name="acting.note_success", status="completed").exists())
    assert TaskStatus.objects.get(task_name="acting.note_success").result == [message.message_id, "n"]


@pytest.mark.parametrize(
    ("how", "error"),
    [("raises", "after the effect"), ("exits", "os._exit(3): its process ended before the actor returned")],
)
def test_a_transactional_task_that_fails_leaves_nothing(isolated, ended, how: str, error: str) -> None:
    row = ended(isolated.isolated_transaction.send("n", how))
    assert (row.status, row.error_message) == ("failed", error)
    assert not Effect.objects.exists()


def test_the_soft_time_limit_interrupts_a_call_that_waits(isolated, ended) -> None:
    began = time.monotonic()
    row = ended(isolated.isolated_sleep.send(600))
    assert time.monotonic() - began < 60
    assert (row.status, row.progress, row.progress_text) == ("failed", 77, "tidied up")
    assert row.error_type == "dramatiq.middleware.time_limit.TimeLimitExceeded"


def test_a_forked_process_that_returns_too_does_not_end_the_task_twice(isolated, ended) -> None:
    row = ended(isolated.fork_and_return.send())
    assert (row.status, row.result) == ("completed", "parent")


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
def test_a_child_has_no_descriptor_of_its_worker(isolated, ended, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "open").open("w") as file:
        for kept in (ours, theirs, file):
            os.set_inheritable(kept.fileno(), True)
        names = {os.readlink(f"/proc/self/fd/{kept.fileno()}") for kept in (ours, theirs, file)}
        row = ended(isolated.open_descriptors.send())
    assert row.status == "completed", row.error_message
    assert not names.intersection(row.result)
    # Its output, where it reads nothing from, and the socket to its worker. Python opened the folder.
    assert len([name for name in row.result if name.startswith("socket:")]) == 1


def test_an_isolated_actor_can_be_called_as_a_function(isolated) -> None:
    assert isolated.fork_and_return.fn is not None
    assert isolated.eat_memory.fn(4_000_000) == 1


# --- Limits --------------------------------------------------------------------------------------


def test_a_task_over_its_memory_limit_is_killed_and_says_its_peak(isolated, ended) -> None:
    row = ended(isolated.eat_memory.send(10_000_000_000))
    assert row.status == "failed"
    assert row.error_type == "apps.tasks.errors.OverMemoryLimitError"
    found = re.fullmatch(r"over its memory limit of 100 MB \(peak (\d+) MB\)", row.error_message)
    assert found, row.error_message
    assert 100 <= int(found[1]) < 400


def test_memory_that_the_kernel_refuses_is_over_the_limit_too(isolated, ended) -> None:
    row = ended(isolated.eat_memory_at_once.send(10_000_000_000))
    assert (row.status, row.error_message) == (
        "failed",
        "over its memory limit of 100 MB (the kernel refused it more)",
    )


def test_the_memory_of_all_processes_of_a_task_counts(isolated, ended) -> None:
    row = ended(isolated.eat_memory_in_children.send(3, 60_000_000))
    assert row.error_message.startswith("over its memory limit of 150 MB (peak "), row.error_message


def test_a_task_over_its_cpu_limit_is_killed(isolated, ended) -> None:
    row = ended(isolated.spin.send(600))
    assert row.status == "failed"
    assert re.fullmatch(r"over its CPU limit of 0\.3 s \(used 0\.\d s\)", row.error_message), row.error_message


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("hold_the_lock", {"seconds": 600}),
        ("swallow", {"seconds": 600}),
        ("block_signals", {}),
        ("close_descriptors", {"and_return": False}),
    ],
)
def test_whatever_a_task_does_it_ends_at_its_hard_time_limit(isolated, ended, name: str, arguments: Any) -> None:
    row = ended(getattr(isolated, name).send(**arguments))
    assert (row.status, row.error_message) == ("failed", "over its hard time limit of 0.6 s")
    assert row.error_type == "apps.tasks.errors.OverTimeLimitError"


@pytest.mark.parametrize("and_return", [True, False])
def test_no_process_that_a_task_started_outlives_it(isolated, ended, tmp_path: Path, *, and_return: bool) -> None:
    path = tmp_path / "pids"
    row = ended(isolated.leave_children.send(str(path), and_return=and_return))
    assert row.status == ("completed" if and_return else "failed"), row.error_message
    pids = [int(pid) for pid in path.read_text().split()]
    assert len(pids) == 3
    assert [pid for pid in pids if not is_gone(pid)] == []


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("segfault", "killed by signal 11 (SIGSEGV)"),
        ("kill", "killed by signal 9 from outside (out of memory?)"),
    ],
)
def test_a_child_that_is_killed_fails_its_task_alone(isolated, ended, kind: str, error: str) -> None:
    row = ended(isolated.isolated_failure.send(kind))
    assert (row.status, row.error_message) == ("failed", error)
    assert row.crashes == 0


def test_a_child_that_exits_says_with_which_code(isolated, ended) -> None:
    row = ended(isolated.exit_at_once.send(3))
    assert (row.status, row.error_message) == (
        "failed",
        "os._exit(3): its process ended before the actor returned",
    )


def test_a_task_that_closes_all_descriptors_and_returns_fails(isolated, ended) -> None:
    row = ended(isolated.close_descriptors.send(and_return=True))
    assert (row.status, row.error_message) == (
        "failed",
        "it closed the connection to its worker process, perhaps with all file descriptors",
    )


def test_a_killed_task_does_nothing_more_to_the_database(isolated, ended) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite works in the process that is killed")
    row = ended(isolated.isolated_query.send("late", 1.5))
    assert row.error_message == "over its hard time limit of 0.6 s"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%acting_effect%%pg_sleep%%'"
            " AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone() == (0,)
    assert not Effect.objects.exists()


def test_a_transaction_of_a_killed_task_is_rolled_back(isolated, ended) -> None:
    row = ended(isolated.effects_in_transaction.send("n"))
    assert row.error_message == "over its hard time limit of 0.6 s"
    assert not Effect.objects.exists()


# --- The processes -------------------------------------------------------------------------------


def test_no_more_tasks_run_isolated_than_there_are_places(isolated, working, gate, wait_until, monkeypatch) -> None:
    isolation = isolation_of(working.broker)
    monkeypatch.setattr(isolation.places, "number", 2)
    messages = [isolated.isolated_wait.send(str(gate.path), str(number)) for number in range(4)]
    wait_until(lambda: Effect.objects.count() == 2)
    wait_until(lambda: TaskStatus.objects.filter(started_at__isnull=False).count() == 4)
    assert Effect.objects.count() == 2
    assert len(isolation.places.running) == 2
    gate.open()
    for message in messages:
        message.get_result(block=True, timeout=30_000)
    assert not isolation.places.running


def test_no_task_takes_a_place_that_comes_free_while_the_worker_stops(
    isolated, working, gate, wait_until, monkeypatch
) -> None:
    isolation = isolation_of(working.broker)
    monkeypatch.setattr(isolation.places, "number", 1)
    first = isolated.isolated_wait.send(str(gate.path), "first")
    wait_until(lambda: Effect.objects.exists())
    second = isolated.isolated_wait.send(str(gate.path), "second")
    rows = TaskStatus.objects.filter(task_id__in=[first.message_id, second.message_id])
    wait_until(lambda: rows.filter(started_at__isnull=False).count() == 2)
    isolation.after_worker_shutdown(working.broker, working)
    wait_until(lambda: rows.filter(attempt__gt=0).count() == 2)
    assert not rows.exclude(retries=0, crashes=0, error_message="").exists()
    assert Effect.objects.get().nonce == "first"
    isolation.places.open(0)


def test_a_server_that_was_killed_is_started_again(isolated, server, gate, ended, wait_until) -> None:
    message = isolated.isolated_wait.send(str(gate.path), "n")
    wait_until(lambda: Effect.objects.exists())
    server.process.kill()
    # The keeper ends its child, and the task is retried like after any error.
    row = TaskStatus.objects.filter(task_id=message.message_id)
    wait_until(lambda: row.filter(retries=1).exists())
    gate.open()
    assert ended(message).status == "completed"
    assert Effect.objects.count() == 2


def test_a_task_whose_keeper_was_killed_fails_and_leaves_no_process(isolated, gate, ended, wait_until) -> None:
    message = isolated.isolated_wait.send_with_options(args=(str(gate.path), "n"), max_retries=0)
    wait_until(lambda: Effect.objects.exists())
    child = Effect.objects.get().pid
    psutil.Process(child).parent().send_signal(signal.SIGKILL)
    row = ended(message)
    assert (row.status, row.error_message) == ("failed", "its keeper was killed from outside")
    wait_until(lambda: is_gone(child))


def test_a_task_whose_keeper_is_frozen_can_be_cancelled(isolated, gate, ended, wait_until, monkeypatch) -> None:
    for name in ("GRACE_SECONDS", "VERDICT_SECONDS"):
        monkeypatch.setattr(f"workers.isolation.isolated.{name}", 0.3)
    message = isolated.isolated_wait.send(str(gate.path), "n")
    wait_until(Effect.objects.exists)
    child = Effect.objects.get().pid
    keeper = psutil.Process(child).parent()
    assert keeper is not None
    keeper.suspend()
    try:
        ledger.cancel(message.message_id)
        assert ended(message).status == "cancelled"
        wait_until(lambda: is_gone(child))
    finally:
        keeper.kill()


# --- Cancelled -----------------------------------------------------------------------------------


@pytest.fixture
def cancelled(isolated, ended, wait_until) -> Any:
    """Send a task, cancel it once its child runs, and return its row."""

    def cancelled(message: Any) -> Any:
        wait_until(lambda: TaskStatus.objects.filter(task_id=message.message_id, progress=30).exists())
        ledger.cancel(message.message_id)
        return ended(message)

    return cancelled


@pytest.mark.parametrize("how", ["progress", "python", "sleep", "query", "async"])
def test_a_cancellation_reaches_the_function_wherever_it_is(isolated, cancelled, how: str) -> None:
    if how == "query" and connection.vendor != "postgresql":
        pytest.skip("SQLite's statements do not wait")
    actor = isolated.isolated_long_async if how == "async" else isolated.isolated_long
    row = cancelled(actor.send(how))
    assert (row.status, row.error_message, row.retries) == ("cancelled", "", 0)
    assert (row.finished_at - row.cancel_requested_at).total_seconds() < 8


def test_a_cancelled_task_may_clean_up_and_end_a_shielded_section(isolated, cancelled, monkeypatch) -> None:
    monkeypatch.setattr("workers.isolation.isolated.GRACE_SECONDS", 0.5)
    row = cancelled(isolated.isolated_section.send("n"))
    assert (row.status, row.progress, row.progress_text) == ("cancelled", 80, "cleaned up")
    assert set(Effect.objects.values_list("nonce", flat=True)) == {"n, section"}


def test_a_cancelled_task_that_goes_on_is_killed(isolated, cancelled, monkeypatch) -> None:
    monkeypatch.setattr("workers.isolation.isolated.GRACE_SECONDS", 0.3)
    row = cancelled(isolated.isolated_stubborn.send())
    assert (row.status, row.error_message) == ("cancelled", "")


def test_a_task_that_waits_for_a_place_can_be_cancelled(
    isolated, working, gate, ended, wait_until, monkeypatch
) -> None:
    isolation = isolation_of(working.broker)
    monkeypatch.setattr(isolation.places, "number", 1)
    first = isolated.isolated_wait.send(str(gate.path), "first")
    wait_until(lambda: Effect.objects.exists())
    second = isolated.isolated_wait.send(str(gate.path), "second")
    wait_until(lambda: TaskStatus.objects.filter(task_id=second.message_id, started_at__isnull=False).exists())
    ledger.cancel(second.message_id)
    assert ended(second).status == "cancelled"
    gate.open()
    assert ended(first).status == "completed"
    assert Effect.objects.count() == 1
