"""Stacks of running tasks: asked for by staff, answered by the task's worker."""

import asyncio
import io
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.tasks import stacks
from apps.tasks.errors import NotRunningError
from apps.tasks.models import TaskStack, TaskStatus
from apps.tasks.values import Frame
from tests import rows
from workers.process import stack
from workers.relay import Relay

pytestmark = [pytest.mark.django_db(transaction=True)]


def hold(event: threading.Event) -> None:
    while not event.wait(0.01):
        pass


async def hold_async(event: threading.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0.01)


@pytest.fixture
def run(declare: Any, working: Any, wait_until: Callable[..., Any]) -> Any:
    """Run an actor with this function until the test ends. Return its row once it has run for long enough."""
    event = threading.Event()

    def run(fn: Callable[[threading.Event], Any], **options: Any) -> TaskStatus:
        async def stuck_async() -> None:
            await fn(event)

        def stuck() -> None:
            fn(event)

        message = declare(stuck_async if asyncio.iscoroutinefunction(fn) else stuck, **options).send()
        row = TaskStatus.objects.filter(task_id=message.message_id, started_at__isnull=False)
        wait_until(row.exists)
        return row.get()

    yield run
    event.set()
    wait_until(lambda: not TaskStatus.objects.unfinished().exists())


def named(frames: list[Frame]) -> list[str]:
    return [frame.name for frame in frames if not frame.is_library]


def test_a_worker_answers_with_the_stack_of_that_task_alone(run: Any) -> None:
    row = run(hold)
    stacks.ask(row)
    answer = stacks.wait(row, seconds=60)
    assert answer is not None
    frames = stacks.frames_of(answer)
    assert named(frames) == ["stuck", "hold"]
    assert answer.attempt == row.attempt == 0
    found = next(frame for frame in frames if frame.name == "hold")
    assert Path(found.file) == Path(__file__)
    assert found.source == "while not event.wait(0.01):"
    assert frames[0].is_library, "the worker's own calls lead to it"
    assert frames[-1].name == "wait"
    assert frames[-1].is_library


def test_the_stack_of_an_async_task_is_that_of_its_coroutine(run: Any) -> None:
    row = run(hold_async)
    stacks.ask(row)
    answer = stacks.wait(row, seconds=60)
    assert answer is not None
    assert named(stacks.frames_of(answer)) == ["stuck_async", "hold_async"]


def test_an_async_task_that_blocks_its_event_loop_shows_where(run: Any) -> None:
    async def block(event: threading.Event) -> None:
        hold(event)

    row = run(block)
    stacks.ask(row)
    answer = stacks.wait(row, seconds=60)
    assert answer is not None
    assert named(stacks.frames_of(answer)) == ["stuck_async", "block", "hold"]


def test_a_task_that_runs_elsewhere_has_a_stack_of_its_own(run: Any, broker: Any) -> None:
    row = run(hold)
    (attempt,) = broker.runtime.holdings.running()
    attempt.stack_of = lambda: [Frame(file="child.py", line=3, name="in_child")]
    stacks.ask(row)
    answer = stacks.wait(row, seconds=60)
    assert answer is not None
    assert [frame.name for frame in stacks.frames_of(answer)] == ["in_child"]


def test_a_later_request_replaces_the_answer(run: Any) -> None:
    row = run(hold)
    times = []
    for _ in range(2):
        stacks.ask(row)
        answer = stacks.wait(row, seconds=60)
        assert answer is not None
        assert answer.answered_at is not None
        times.append(answer.answered_at)
    assert times[0] < times[1]
    assert TaskStack.objects.count() == 1


def test_no_value_of_a_variable_is_in_a_stack(run: Any) -> None:
    def keep(event: threading.Event) -> None:
        secret = "sesame".upper()
        hold(event)
        assert secret

    row = run(keep)
    stacks.ask(row)
    assert stacks.wait(row, seconds=60) is not None
    assert "SESAME" not in str(TaskStack.objects.values_list("frames", flat=True).get())


def test_a_process_whose_tasks_are_short_does_not_look(working: Any, broker: Any, monkeypatch: Any, ended: Any) -> None:
    monkeypatch.setattr(stacks, "unanswered", lambda worker_id: pytest.fail("it looked"))
    assert broker.runtime.reconciler.stack_requests.answer() == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"status": "pending"}, "does not run"),
        ({"status": "completed"}, "does not run"),
        ({"status": "processing"}, "has not started"),
    ],
)
def test_a_task_that_does_not_run_has_no_stack(values: dict[str, Any], message: str) -> None:
    with pytest.raises(NotRunningError, match=message):
        stacks.ask(rows.task(**values))
    assert not TaskStack.objects.exists()


def test_a_frame_that_no_database_takes_is_stored_all_the_same() -> None:
    code = compile("def odd(event):\n    event.wait()\n", "odd\udcff.py", "exec")
    scope: dict[str, Any] = {}
    exec(code, scope)
    event = threading.Event()
    thread = threading.Thread(target=scope["odd"], args=(event,))
    thread.start()
    try:
        frames = stack.of_thread(thread)
    finally:
        event.set()
        thread.join()
    row = rows.task(status="processing", started_at=timezone.now(), worker_id=rows.worker_process().pk)
    stacks.ask(row)
    (request,) = stacks.unanswered(TaskStack.objects.get().worker_id)
    assert stacks.answer(request, frames)
    assert "odd" in [frame.name for frame in stacks.frames_of(TaskStack.objects.get())]


def test_a_very_deep_stack_is_cut_to_its_innermost_calls() -> None:
    event, ready = threading.Event(), threading.Event()

    def dig(depth: int) -> None:
        if depth:
            dig(depth - 1)
        else:
            ready.set()
            event.wait()

    thread = threading.Thread(target=dig, args=(500,))
    thread.start()
    try:
        assert ready.wait(60)
        frames = stack.of_thread(thread)
    finally:
        event.set()
        thread.join()
    assert len(frames) == stack.LIMIT
    assert frames[-1].name == "wait"


def test_an_ended_thread_has_no_stack() -> None:
    thread = threading.Thread(target=time.monotonic)
    thread.start()
    thread.join()
    assert stack.of_thread(thread) == []


def test_old_stacks_are_forgotten(broker: Any) -> None:
    old, new = (
        rows.task(status="processing", started_at=timezone.now(), worker_id=rows.worker_process().pk) for _ in range(2)
    )
    for row in (old, new):
        stacks.ask(row)
    TaskStack.objects.filter(pk=old.pk).update(requested_at=timezone.now() - timedelta(hours=2))
    Relay(broker).forget()
    assert list(TaskStack.objects.values_list("pk", flat=True)) == [new.pk]


# --- manage.py tasks stack ---


def called(*arguments: str) -> str:
    output = io.StringIO()
    call_command("tasks", "stack", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_shows_the_stack_with_the_calls_of_libraries_folded(run: Any) -> None:
    row = run(hold)
    shown = called(row.task_id).splitlines()
    assert shown[0].startswith(f"acting.stuck id={row.task_id} attempt=0 at 20")
    assert any(line.endswith("calls in libraries)") for line in shown)
    assert f'  File "{__file__}", line' in "\n".join(shown)
    assert "    while not event.wait(0.01):" in shown
    assert not any("threading.py" in line for line in shown)
    assert any("threading.py" in line for line in called(row.task_id, "--all").splitlines())


@pytest.mark.parametrize(("task_id", "message"), [("none", "Unknown task 'none'"), ("", "Unknown task ''")])
def test_the_command_refuses_an_unknown_task(task_id: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        called(task_id)


def test_the_command_says_that_a_task_does_not_run() -> None:
    with pytest.raises(CommandError, match="does not run"):
        called(rows.task(status="pending").task_id)


def test_the_command_says_that_a_worker_does_not_answer(monkeypatch: Any) -> None:
    monkeypatch.setattr(stacks, "PATIENCE_SECONDS", 0.05)
    row = rows.task(status="processing", started_at=timezone.now(), worker_id=rows.worker_process().pk)
    with pytest.raises(CommandError, match="The worker has not answered"):
        called(row.task_id)


def test_the_command_says_that_a_task_has_ended_meanwhile(monkeypatch: Any) -> None:
    row = rows.task(status="processing", started_at=timezone.now(), worker_id=rows.worker_process().pk)
    ask = stacks.ask

    def ask_and_end(task: TaskStatus) -> None:
        ask(task)
        TaskStatus.objects.update(status="completed", finished_at=timezone.now())

    monkeypatch.setattr(stacks, "ask", ask_and_end)
    with pytest.raises(CommandError, match="The task has ended"):
        called(row.task_id)
