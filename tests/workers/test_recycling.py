"""Worker processes that are replaced after a number of tasks, or above a size of their memory."""

import logging
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.tasks.models import TaskAttempt, TaskStatus, WorkerProcess
from tests.acting import tasks
from tests.acting.models import Effect
from workers.process import memory
from workers.process.holdings import Holdings
from workers.process.recycling import Recycling


def limited(*, done: int = 0, **limits: int) -> Recycling:
    """Return the limits of a process that has done that many tasks."""
    holdings = Holdings(worker_id=None, threads=1, may_start=lambda: True)  # type: ignore[arg-type]
    holdings.done = done
    recycling = Recycling(holdings)
    recycling.limit(**{"tasks": 0, "memory_mb": 0, **limits})
    return recycling


def test_a_process_without_limits_is_never_recycled() -> None:
    assert not limited(done=10**9).look()


def test_a_process_is_due_once_it_has_done_its_tasks() -> None:
    recycling = limited(tasks=5, done=4)
    assert not recycling.look()
    recycling.holdings.done = 5
    assert recycling.is_due
    assert recycling.look()


def test_processes_are_not_recycled_all_at_once() -> None:
    random.seed(1)
    found = {limited(tasks=1000).max_tasks for _ in range(50)}
    assert len(found) > 20
    assert 1000 <= min(found) <= max(found) <= 1100


def test_a_process_above_its_memory_is_due_for_good_but_not_before_its_first_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "resident_mb", lambda: 301)
    assert not limited(memory_mb=300).look()
    assert not limited(memory_mb=301, done=1).look()
    recycling = limited(memory_mb=300, done=1)
    with caplog.at_level(logging.INFO, logger="workers"):
        assert recycling.look()
    assert "worker is recycled" in caplog.text
    assert "memory_mb=301" in caplog.text
    monkeypatch.setattr(memory, "resident_mb", lambda: 100)
    assert recycling.look()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tasks": -1}, "--max-tasks is -1, must be at least 1, or 0 for no limit"),
        ({"max_memory_mb": -5}, "--max-memory-mb is -5, must be at least 1, or 0 for no limit"),
        ({"max_memory_mb": 1}, r"--max-memory-mb is 1, but a process has \d+ MB before its first task"),
    ],
)
def test_impossible_limits_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("runworker", **options)


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_a_process_waits_for_running_tasks_but_not_for_one_that_outlived_its_time_limit(
    working: Any, broker: Any, gate: Any, wait_until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = broker.runtime
    assert runtime.finish()
    gate.send("n")
    wait_until(runtime.holdings.running)
    assert not runtime.finish()
    (attempt,) = runtime.holdings.running()
    attempt.started -= 1000
    assert not runtime.finish(), "its limit is half an hour"
    attempt.message.options["time_limit"] = 900_000
    assert runtime.finish()
    attempt.message.options["time_limit"] = 990_000
    assert not runtime.finish(), "it may clean up"


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_due_fetches_nothing_and_releases_what_waits(
    working: Any, broker: Any, gate: Any, wait_until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = broker.runtime
    monkeypatch.setattr("workers.process.holdings.AHEAD_SECONDS", 600)  # Otherwise it is released before.
    monkeypatch.setattr(runtime.holdings.prefetch, "threads", runtime.holdings.threads + 1)
    for number in range(runtime.holdings.threads):
        gate.send(f"busy {number}")
    wait_until(lambda: len(runtime.holdings.running()) == runtime.holdings.threads)
    held = TaskStatus.objects.filter(task_id=gate.send("held").message_id)
    wait_until(lambda: held.get().status == "processing")
    monkeypatch.setattr(runtime.recycling, "max_tasks", 1)
    runtime.holdings.done = 1
    assert not runtime.may_start()
    # It may be on its way from the consumer to the threads.
    wait_until(lambda: not runtime.finish() and held.get().status == "pending")
    later = TaskStatus.objects.filter(task_id=tasks.effect.send("later").message_id)
    gate.open()
    wait_until(runtime.finish)
    assert (later.get().status, held.get().retries, held.get().crashes) == ("pending", 0, 0)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_recycled_process_finishes_releases_the_rest_and_is_replaced_while_its_sibling_goes_on(
    worker: Callable[..., Any], gate: Any, wait_until: Callable[..., Any]
) -> None:
    command = worker("--processes", "2", "--threads", "2", "--max-tasks", "9", WORKER_DRAIN_SECONDS="1")
    workers = WorkerProcess.objects.workers()
    wait_until(lambda: workers.filter(stopped_at=None).count() == 2, explain=lambda: command.output)
    first = set(workers.values_list("pk", flat=True))
    # It runs for longer than the drain, which is for a process that is asked to stop.
    long = gate.send("long")
    wait_until(lambda: TaskStatus.objects.filter(task_id=long.message_id, started_at__isnull=False).exists())
    holder = workers.get(pk=str(TaskStatus.objects.get(task_id=long.message_id).worker_id))

    def is_leaving() -> bool:
        messages = [tasks.effect.send(f"n{number}") for number in range(10)]
        for message in messages:
            message.get_result(block=True, timeout=60_000)
        workers = set(Effect.objects.values_list("pid", flat=True))
        return holder.pid in workers and "worker is recycled" in command.output and len(workers) > 2

    wait_until(is_leaving, explain=lambda: command.output)
    gate.open()
    assert long.get_result(block=True, timeout=60_000) == "long"
    wait_until(lambda: workers.exclude(pk__in=first).filter(stopped_at=None).exists(), explain=lambda: command.output)
    wait_until(lambda: workers.filter(stopped_at=None).count() == 2, explain=lambda: command.output)
    rows = TaskStatus.objects.exclude(status="completed").values("status", "retries", "crashes")
    assert not rows
    assert set(TaskStatus.objects.values_list("retries", "crashes")) == {(0, 0)}
    assert TaskStatus.objects.get(task_id=long.message_id).attempt == 0
    assert not TaskAttempt.objects.exclude(outcome="release").exists()
    assert Effect.objects.count() == TaskStatus.objects.count()
    assert "child ended" not in command.output
    assert os.getpid() not in set(Effect.objects.values_list("pid", flat=True))


@pytest.mark.once
@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_process_that_leaks_is_replaced_and_its_tasks_complete(
    worker: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    # Four tasks are above it, whatever the process has before.
    command = worker("--processes", "1", "--threads", "2", "--max-memory-mb", "400")
    messages = [tasks.leak.send(100) for _ in range(6)]
    for message in messages:
        message.get_result(block=True, timeout=60_000)
    wait_until(lambda: "worker is recycled" in command.output)
    wait_until(lambda: WorkerProcess.objects.workers().count() > 1, explain=lambda: command.output)
    assert set(TaskStatus.objects.values_list("status", "retries", "crashes")) == {("completed", 0, 0)}
