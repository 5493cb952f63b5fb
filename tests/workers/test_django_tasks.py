"""Django's Tasks API on the ledger: rows, results and refusals, as any backend owes them."""

import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import dramatiq
import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils import timezone
from django_tasks import TaskResultStatus, task, task_backends
from django_tasks.exceptions import InvalidTaskError, TaskResultDoesNotExist, TaskResultMismatch
from django_tasks.signals import task_enqueued, task_finished, task_started

from apps.tasks import ledger
from apps.tasks.errors import BadArgumentsError, BadOptionError, TaskError
from apps.tasks.models import TaskStatus
from tests.acting import django_tasks as tasks
from tests.acting import tasks as actors
from tests.docs import pages
from workers.django_tasks import LedgerBackend

pytestmark = pytest.mark.django_db(transaction=True)

default_task_backend: Any = task_backends["default"]

Ended = Callable[[Any], Any]


@pytest.fixture
def ended(working: None, wait_until: Callable[..., Any]) -> Ended:
    """Wait for the end of a task and return its refreshed result."""

    def wait(result: Any) -> Any:
        def is_finished() -> bool:
            result.refresh()
            return bool(result.is_finished)

        wait_until(is_finished)
        return result

    return wait


def row_of(result: Any) -> TaskStatus:
    return TaskStatus.objects.get(task_id=result.id)


# --- Sending ------------------------------------------------------------------------------------


def test_the_backend_of_the_settings_supports_all() -> None:
    assert type(default_task_backend) is LedgerBackend
    flags = ("supports_defer", "supports_async_task", "supports_get_result", "supports_priority")
    assert [getattr(default_task_backend, flag) for flag in flags] == [True] * 4
    assert list(default_task_backend.check()) == []


def test_a_task_is_a_row_under_its_own_path() -> None:
    before = timezone.now()
    result: Any = tasks.add.enqueue(1, second=2)
    row = row_of(result)
    assert (row.task_name, row.args, row.kwargs) == ("tests.acting.django_tasks.add", [1], {"second": 2})
    assert (result.status, result.args, result.kwargs) == (TaskResultStatus.READY, [1], {"second": 2})
    assert (result.backend, result.attempts, result.errors, result.worker_ids) == ("default", 0, [], [])
    assert before <= result.enqueued_at <= timezone.now()
    assert (result.started_at, result.finished_at, result.last_attempted_at) == (None, None, None)
    assert not result.is_finished
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value


def test_a_result_equals_the_one_that_is_read_again() -> None:
    for result in (tasks.add.enqueue(1), tasks.give.using(priority=5).enqueue({"a": [1]})):
        assert default_task_backend.get_result(result.id) == result


def test_a_send_belongs_to_the_transaction_of_its_caller() -> None:
    with transaction.atomic():
        result = tasks.add.enqueue(1)
        transaction.set_rollback(True)
    with pytest.raises(TaskResultDoesNotExist):
        default_task_backend.get_result(result.id)


@pytest.mark.parametrize(("priority", "stored"), [(-100, 100), (0, 0), (100, -100)])
def test_a_higher_priority_is_a_lower_number_in_the_row(priority: int, stored: int) -> None:
    result = tasks.add.using(priority=priority).enqueue(1)
    assert row_of(result).priority == stored
    assert tasks.add.get_result(result.id).task.priority == priority


def test_the_declaration_gives_priority_and_queue() -> None:
    row = row_of(tasks.urgent.enqueue())
    assert (row.priority, row.queue_name) == (-7, "documents")


def test_a_send_can_name_another_queue() -> None:
    result = tasks.add.using(queue_name="documents").enqueue(1)
    assert row_of(result).queue_name == "documents"
    assert tasks.add.get_result(result.id).task.queue_name == "documents"


def test_run_after_is_the_start_of_the_row() -> None:
    at = timezone.now() + timedelta(hours=2)
    result = tasks.add.using(run_after=at).enqueue(1)
    found: Any = tasks.add.get_result(result.id)
    assert abs(row_of(result).run_at - at) < timedelta(seconds=20)
    assert abs(found.task.run_after - at) < timedelta(seconds=20)


@pytest.mark.parametrize("past", [timedelta(seconds=1), timedelta(days=4000)])
def test_a_run_after_in_the_past_is_due_at_once(past: timedelta) -> None:
    assert not row_of(tasks.add.using(run_after=timezone.now() - past).enqueue(1)).delayed


@pytest.mark.parametrize(
    ("given", "kept"),
    [((1, 2), [1, 2]), (b"text", "text"), ({"a": (1,)}, {"a": [1]}), (None, None), (1.5, 1.5), (True, True)],
)
def test_arguments_become_what_json_carries(given: Any, kept: Any) -> None:
    result = tasks.give.enqueue(given)
    assert (result.args, row_of(result).args, tasks.give.get_result(result.id).args) == ([kept], [kept], [kept])


@pytest.mark.parametrize("given", [object(), datetime(2026, 1, 1), {1, 2}, [object()]])
def test_arguments_that_json_does_not_know_are_refused(given: Any) -> None:
    with pytest.raises(TypeError):
        tasks.give.enqueue(given)
    assert not TaskStatus.objects.exists()


@pytest.mark.parametrize("call", [((), {}), ((1, 2, 3), {}), ((1,), {"third": 3})])
def test_arguments_that_the_function_does_not_take_are_refused(call: Any) -> None:
    with pytest.raises(BadArgumentsError):
        tasks.add.enqueue(*call[0], **call[1])
    assert not TaskStatus.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": 101},
        {"priority": -101},
        {"priority": 1.5},
        {"queue_name": "nowhere"},
        {"run_after": datetime(2050, 1, 1)},
    ],
)
def test_a_send_that_no_queue_could_take_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidTaskError):
        tasks.add.using(**changes)


def test_a_queue_that_the_settings_do_not_declare_is_an_error() -> None:
    backend = LedgerBackend("other", {"QUEUES": ["default", "nowhere"]})
    assert [(message.id, "nowhere" in message.msg) for message in backend.check()] == [("tasks.E010", True)]


def test_a_function_inside_another_is_no_task() -> None:
    with pytest.raises(InvalidTaskError, match="module level"):
        task(lambda: None)


def test_an_unknown_option_of_a_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(dramatiq.get_broker().actors, tasks.add.module_path)
    with pytest.raises(BadOptionError, match="max_retries"):
        task(max_retrys=3)(tasks.add.func)


def test_a_task_waits_in_async_code_too() -> None:
    result = async_to_sync(tasks.add.aenqueue)(1)
    assert async_to_sync(tasks.add.aget_result)(result.id).id == result.id


def test_task_enqueued_is_sent_after_the_commit() -> None:
    seen: list[Any] = []

    def note(task_result: Any, **signal: Any) -> None:
        seen.append(task_result.id)

    task_enqueued.connect(note)
    try:
        with transaction.atomic():
            result = tasks.add.enqueue(1)
            assert seen == []
        assert seen == [result.id]
        with transaction.atomic():
            tasks.add.enqueue(1)
            transaction.set_rollback(True)
        assert seen == [result.id]
    finally:
        task_enqueued.disconnect(note)


def test_a_unique_send_returns_the_task_that_stands_for_it() -> None:
    assert tasks.only_once.enqueue("key").id == tasks.only_once.enqueue("key").id
    assert TaskStatus.objects.count() == 1


def test_the_examples_of_the_docs_run(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    _, *sources = pages.blocks(pages.DOCS / "django-tasks.md", "python")
    module = ModuleType("receipts")
    monkeypatch.setitem(sys.modules, "receipts", module)
    for source in sources:
        exec(source, module.__dict__)
    result = ended(module.send_receipt.get_result(module.order_paid(7)))
    assert (result.return_value, row_of(result).priority) == ("receipt 7", -10)
    del dramatiq.get_broker().actors["receipts.send_receipt"]
    del dramatiq.get_broker().actors["receipts.send_reminder"]


# --- Results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("result_id", ["unknown", "", "\x00", "9" * 400])
def test_a_result_that_is_not_there(result_id: str) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        default_task_backend.get_result(result_id)


def test_a_row_of_an_actor_is_no_result() -> None:
    message = actors.effect.send("nonce")
    with pytest.raises(TaskResultDoesNotExist):
        default_task_backend.get_result(message.message_id)


def test_the_result_of_another_task_is_refused() -> None:
    with pytest.raises(TaskResultMismatch):
        tasks.give.get_result(tasks.add.enqueue(1).id)


def test_a_cancelled_task_has_failed() -> None:
    result = tasks.add.using(run_after=timezone.now() + timedelta(hours=1)).enqueue(1)
    ledger.cancel(result.id)
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 0)
    assert [error.exception_class for error in result.errors] == [TaskError]
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value


# --- Working ------------------------------------------------------------------------------------


def test_a_task_runs_and_returns(ended: Ended) -> None:
    result = ended(tasks.add.enqueue(1, second=2))
    assert (result.status, result.return_value, result.errors) == (TaskResultStatus.SUCCESSFUL, 3, [])
    assert result.attempts == len(result.worker_ids) == 1
    assert result.enqueued_at <= result.finished_at
    assert result.started_at == result.last_attempted_at <= result.finished_at


def test_an_async_task_runs(ended: Ended) -> None:
    assert ended(tasks.add_later.enqueue(1, 2)).return_value == 3


def test_a_return_value_becomes_what_json_carries(ended: Ended) -> None:
    assert ended(tasks.give.enqueue({"a": [1, None]})).return_value == {"a": [1, None]}


def test_a_task_fails_once_unless_it_says_otherwise(ended: Ended) -> None:
    result = ended(tasks.fail.enqueue("no luck"))
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 1)
    [error] = result.errors
    assert error.exception_class is ValueError
    assert "no luck" in error.traceback


@pytest.mark.parametrize("name", ["fail", "leave"])
def test_the_log_of_a_failed_task_has_its_traceback(
    ended: Ended, wait_until: Callable[..., Any], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    result = ended(getattr(tasks, name).enqueue("no luck"))
    logged = wait_until(lambda: [one for one in caplog.records if one.name == "django_tasks" and one.exc_info])
    assert str(logged[0].exc_info[1]).endswith(f"{result.errors[0].exception_class.__name__}: no luck\n")


def test_a_failed_task_starts_before_it_ends_however_late_its_attempt_was_written(ended: Ended) -> None:
    result = ended(tasks.fail.enqueue("no luck"))
    row_of(result).attempts.update(started_at=result.finished_at + timedelta(seconds=1))
    result.refresh()
    assert result.started_at == result.last_attempted_at == row_of(result).started_at


def test_a_return_value_that_json_does_not_know_fails_the_task(ended: Ended) -> None:
    result = ended(tasks.give_no_json.enqueue())
    assert [error.exception_class for error in result.errors] == [TypeError]


def test_each_attempt_has_its_error_and_its_worker(ended: Ended) -> None:
    result = ended(tasks.fail_often.enqueue())
    assert [error.exception_class for error in result.errors] == [KeyError] * 3
    assert result.attempts == 3
    assert result.started_at < result.last_attempted_at < result.finished_at


def test_the_context_tells_attempt_and_result(ended: Ended) -> None:
    result = ended(tasks.succeed_at.enqueue(2))
    assert result.return_value == [2, result.id, 1]
    assert (result.status, result.attempts, len(result.errors)) == (TaskResultStatus.SUCCESSFUL, 2, 1)


def test_task_started_is_sent_by_the_worker(ended: Ended) -> None:
    seen: list[Any] = []

    def note(task_result: Any, **signal: Any) -> None:
        seen.append((task_result.id, task_result.status, task_result.attempts))

    task_started.connect(note)
    try:
        result = ended(tasks.add.enqueue(1))
    finally:
        task_started.disconnect(note)
    assert seen == [(result.id, TaskResultStatus.RUNNING, 1)]


@pytest.mark.parametrize(
    ("name", "arguments", "status"),
    [("add", (1,), "SUCCESSFUL"), ("fail", ("no luck",), "FAILED"), ("succeed_at", (2,), "SUCCESSFUL")],
)
def test_task_finished_is_sent_once_after_the_end_is_committed(
    working: None, wait_until: Callable[..., Any], name: str, arguments: Any, status: str
) -> None:
    seen: list[Any] = []

    def note(task_result: Any, **signal: Any) -> None:
        seen.append((task_result.id, task_result.status, row_of(task_result).finished_at is not None))

    task_finished.connect(note)
    try:
        result = getattr(tasks, name).enqueue(*arguments)
        wait_until(lambda: seen)
    finally:
        task_finished.disconnect(note)
    assert seen == [(result.id, status, True)]


def test_task_finished_names_the_backend_of_the_task(
    working: None, wait_until: Callable[..., Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TASKS = {**settings.TASKS, "other": settings.TASKS["default"]}
    module = ModuleType("others")
    monkeypatch.setitem(sys.modules, "others", module)
    exec("from django_tasks import task\n\n@task(backend='other')\ndef act():\n    pass", module.__dict__)
    seen: list[Any] = []

    def note(task_result: Any, **signal: Any) -> None:
        seen.append((task_result.id, task_result.backend, task_result.task.backend))

    task_finished.connect(note)
    try:
        result = module.act.enqueue()
        wait_until(lambda: seen)
    finally:
        task_finished.disconnect(note)
        del dramatiq.get_broker().actors["others.act"]
    assert seen == [(result.id, "other", "other")]


def test_task_finished_is_sent_of_a_task_that_is_cancelled_in_place_of_its_retry(
    working: None, wait_until: Callable[..., Any]
) -> None:
    seen: list[Any] = []

    def cancel(task_result: Any, **signal: Any) -> None:
        TaskStatus.objects.filter(task_id=task_result.id).update(cancel_requested_at=timezone.now())

    def note(task_result: Any, **signal: Any) -> None:
        seen.append((task_result.id, task_result.status))

    task_started.connect(cancel)
    task_finished.connect(note)
    try:
        result = tasks.fail_often.enqueue()
        wait_until(lambda: seen, timeout=10)
    finally:
        task_started.disconnect(cancel)
        task_finished.disconnect(note)
    assert seen == [(result.id, "FAILED")]
    assert row_of(result).status == "cancelled"


def test_a_worker_that_stops_sends_task_finished_first(
    broker: Any, booted: None, wait_until: Callable[..., Any]
) -> None:
    seen: list[str] = []

    def note(task_result: Any, **signal: Any) -> None:
        time.sleep(0.1)
        seen.append(task_result.id)

    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
    task_finished.connect(note)
    try:
        worker.start()
        ids = [tasks.add.enqueue(number).id for number in range(5)]
        ended = TaskStatus.objects.finished().filter(task_id__in=ids)
        wait_until(lambda: ended.count() == len(ids))
        worker.stop(timeout=5_000)
        assert sorted(seen) == sorted(ids)
    finally:
        task_finished.disconnect(note)
        broker.middleware.pop()  # Dramatiq adds one for each worker and has no way to remove it.


def test_tasks_run_in_worker_processes(worker: Callable[..., Any], wait_until: Callable[..., Any]) -> None:
    results: list[Any] = [tasks.add.enqueue(1), tasks.fail.enqueue("no luck"), tasks.succeed_at.enqueue(2)]
    worker("--processes", "1", WORKER_THREADS="2")
    for result in results:
        wait_until(lambda result=result: (result.refresh(), result.is_finished)[1])
    assert [result.status for result in results] == ["SUCCESSFUL", "FAILED", "SUCCESSFUL"]


@pytest.mark.parametrize("name", [".x", "..x", "a..b"])
def test_a_task_whose_name_is_no_path_is_no_result(name: str) -> None:
    message = actors.effect.send("n")
    TaskStatus.objects.filter(task_id=message.message_id).update(task_name=name)
    with pytest.raises(TaskResultDoesNotExist):
        default_task_backend.get_result(message.message_id)
