"""Tasks of async actors run in place: on the event loop of their process, many at once, without a worker thread."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import dramatiq
import pytest
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import CurrentMessage, Middleware, SkipMessage, TimeLimit

from apps.tasks import progress
from apps.tasks.errors import Snooze
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from workers.process import coroutines, stack
from workers.process.main import stop_worker

pytestmark = [pytest.mark.django_db(transaction=True)]

variable: contextvars.ContextVar[str | None] = contextvars.ContextVar("variable", default=None)

#: Seconds that a task runs if nothing stops it. No test waits for it.
LONG = 60.0


class Meeting:
    """Where tasks of this process wait for each other, or for the test."""

    def __init__(self) -> None:
        self.here = 0
        self.most = 0
        self.is_open = threading.Event()

    async def attend(self) -> None:
        self.here += 1
        self.most = max(self.most, self.here)
        while not self.is_open.is_set():
            await asyncio.sleep(0.005)
        self.here -= 1


@pytest.fixture
def meeting() -> Iterator[Meeting]:
    found = Meeting()
    yield found
    found.is_open.set()


@pytest.fixture
def attend(declare: Any, meeting: Meeting) -> Any:
    """An actor whose tasks run until the meeting is opened."""

    async def attends() -> str:
        await meeting.attend()
        return threading.current_thread().name

    return declare(attends)


@pytest.fixture
def middleware(broker: Any) -> Iterator[Callable[[Middleware], None]]:
    """Add a middleware for this test only, before the worker boots."""
    added = []

    def add(one: Middleware) -> None:
        broker.middleware.insert(-1, one)
        added.append(one)

    yield add
    for one in added:
        broker.middleware.remove(one)


def work(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("working")


def loop_thread() -> str:
    thread = get_event_loop_thread()
    assert thread is not None
    return thread.name


def test_many_more_tasks_than_threads_run_at_once(working, attend, meeting, ended, wait_until) -> None:
    messages = [attend.send() for _ in range(40)]
    wait_until(lambda: meeting.here == 40)
    meeting.is_open.set()
    assert {ended(message).result for message in messages} == {loop_thread()}


def test_beside_as_many_as_the_setting_says_others_take_threads(
    settings, request, attend, meeting, ended, wait_until, broker
) -> None:
    settings.WORKER_ASYNC_TASKS = 3
    work(request)
    messages = [attend.send() for _ in range(6)]
    wait_until(lambda: meeting.here == 6)
    wait_until(lambda: broker.runtime.holdings.long_in_place() == 3)
    assert ended(tasks.add.send(1, 2)).result == 3, "one of four threads is free"
    meeting.is_open.set()
    assert {ended(message).status for message in messages} == {"completed"}
    wait_until(lambda: broker.runtime.holdings.in_place.held == 0)


def test_without_the_setting_each_takes_a_thread(settings, request, declare, ended) -> None:
    async def where() -> str:
        return "Half-way"

    settings.WORKER_ASYNC_TASKS = 0
    work(request)
    broker: Any = dramatiq.get_broker()
    assert ended(declare(where).send()).result == "Half-way"
    assert not broker.runtime.coroutines.function_of("acting.where")


def test_threads_stay_free_for_other_tasks_of_the_same_queue(working, attend, meeting, ended, wait_until) -> None:
    messages = [attend.send() for _ in range(12)]
    wait_until(lambda: meeting.here == 12)
    assert ended(tasks.add.send(1, 2)).result == 3
    meeting.is_open.set()
    for message in messages:
        ended(message)


def test_a_queue_of_async_actors_alone_takes_as_many_as_the_loop_has_places(
    settings, request, declare, meeting, broker, ended, wait_until
) -> None:
    async def alone() -> None:
        await meeting.attend()

    settings.WORKER_ASYNC_TASKS = 20
    actor = declare(alone, queue_name="isolated")
    work(request)
    messages = [actor.send() for _ in range(40)]
    wait_until(lambda: meeting.here == 20)
    assert broker.runtime.holdings.queues_in_place == {"isolated"}
    assert broker.runtime.holdings.prefetch.held == 0
    assert ended(tasks.add.send(1, 2)).result == 3
    assert meeting.most == 20
    meeting.is_open.set()
    for message in messages:
        ended(message)
    wait_until(lambda: broker.runtime.holdings.in_place.held == 0)


def test_each_task_has_its_own_message_progress_and_owner(working, declare, ended, django_user_model) -> None:
    async def tells(number: int) -> list[Any]:
        progress.set(number, f"number {number}")
        await asyncio.sleep(0.01)
        message = CurrentMessage.get_current_message()
        assert message is not None
        child = await cast(Any, tasks.effect).asend(f"sent by {number}")
        return [message.args[0], message.message_id, child.message_id]

    actor = declare(tells)
    user = django_user_model.objects.create_user("writer")
    messages = [actor.send_with_options(args=(number,), owner_id=user.pk) for number in range(10, 20)]
    for number, message in zip(range(10, 20), messages, strict=True):
        row = ended(message)
        assert row.result[:2] == [number, message.message_id]
        assert row.progress_text == f"number {number}"
        assert TaskStatus.objects.get(task_id=row.result[2]).owner == user


def test_a_running_task_tells_its_progress_and_its_stack(working, broker, declare, meeting, wait_until) -> None:
    async def shows() -> None:
        progress.set(40, "Half-way")
        await meeting.attend()

    message = declare(shows).send()
    wait_until(TaskStatus.objects.filter(task_id=message.message_id, progress=40, status="processing").exists)
    attempt = next(iter(broker.runtime.holdings.held.values()))
    assert [frame.name for frame in stack.of_attempt(attempt) if "asyncio" not in frame.file] == ["shows", "attend"]


def test_a_task_that_begins_where_another_ended_inherits_nothing_of_it(
    settings, request, declare, meeting, ended, broker, wait_until
) -> None:
    """It begins in the moment in which the other one leaves its place."""
    settings.WORKER_ASYNC_TASKS = 1

    async def leaves(number: int) -> str | None:
        before = variable.get()
        variable.set(f"of {number}")
        await meeting.attend()
        return before

    actor = declare(leaves, queue_name="isolated")
    work(request)
    for _ in range(50):
        broker.runtime.holdings.in_place.ran(0.0001)  # Short tasks: a batch holds all that wait.
    messages = broker.send_many(actor.message(number) for number in range(5))
    wait_until(lambda: meeting.here and broker.runtime.coroutines.waiting)
    meeting.is_open.set()
    assert [ended(message).result for message in messages] == [None] * 5


# --- Ends ------------------------------------------------------------------------------------------


def test_a_failed_task_is_retried_and_tells_why(working, declare, ended) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("isbn")

    row = ended(declare(fails, max_retries=1, min_backoff=1, max_backoff=1).send())
    assert (row.status, row.retries, row.error_type, row.error_message) == ("failed", 1, "KeyError", "'isbn'")
    assert "in fails" in row.traceback


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_an_error_that_ends_a_loop_fails_its_own_task_alone(
    working, declare, attend, meeting, ended, wait_until, error
) -> None:
    async def harms() -> None:
        raise error

    other = attend.send()
    wait_until(lambda: meeting.here == 1)
    row = ended(declare(harms, max_retries=0).send())
    assert (row.status, row.error_type.rpartition(".")[2]) == ("failed", error.__name__)
    meeting.is_open.set()
    assert ended(other).status == "completed"


def test_a_task_over_its_time_limit_is_interrupted_and_cleans_up(working, declare, ended, monkeypatch) -> None:
    monkeypatch.setattr(coroutines, "LOOK_SECONDS", 0.01)

    async def overruns() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            await Effect.objects.acreate(nonce="cleaned up", attempt=0, pid=0)

    row = ended(declare(overruns, time_limit=20, max_retries=0).send())
    assert (row.status, row.error_type) == ("failed", "dramatiq.middleware.time_limit.TimeLimitExceeded")
    assert Effect.objects.get().nonce == "cleaned up"


def test_a_task_that_does_not_stop_at_its_time_limit_is_never_run_twice_at_once(
    working, declare, meeting, ended, wait_until, monkeypatch
) -> None:
    monkeypatch.setattr(coroutines, "LOOK_SECONDS", 0.01)
    interrupted = threading.Event()

    async def goes_on() -> None:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            interrupted.set()
            await meeting.attend()

    message = declare(goes_on, time_limit=20, max_retries=0).send()
    assert interrupted.wait(10)
    assert TaskStatus.objects.get(task_id=message.message_id).status == "processing"
    meeting.is_open.set()
    assert ended(message).error_type.endswith("TimeLimitExceeded")


def test_a_task_is_snoozed_and_another_skipped(request, declare, middleware, ended) -> None:
    class Skips(Middleware):
        on_event_loop = True

        def before_process_message(self, broker: Any, message: Any) -> None:
            if message.args == ("skipped",):
                raise SkipMessage("not today")

    runs: list[str] = []

    async def once_more(name: str) -> str:
        runs.append(name)
        if len(runs) == 1:
            raise Snooze(delay=1)
        return name

    middleware(Skips())
    work(request)
    actor = declare(once_more)
    assert ended(actor.send("snoozed")).result == "snoozed"
    assert ended(actor.send("skipped")).result is None
    assert runs == ["snoozed", "snoozed"]


def test_what_follows_a_task_follows_it(working, declare, ended, wait_until) -> None:
    async def first() -> int:
        return 1

    declared = declare(first, on_success="acting.note_success")
    ended(declared.send())
    wait_until(TaskStatus.objects.finished().filter(task_name="acting.note_success").exists)
    pipeline = (declared.message() | tasks.add.message_with_options(args=(2,))).run()
    assert ended(pipeline.messages[-1]).result == 3


def test_hooks_that_say_so_run_on_the_loop_and_see_their_message(request, declare, middleware, ended) -> None:
    threads: list[str] = []

    class Counts(Middleware):
        on_event_loop = True

        def before_process_message(self, broker: Any, message: Any) -> None:
            threads.append(threading.current_thread().name)

        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            threads.append(threading.current_thread().name)

    async def seen() -> None: ...

    middleware(Counts())
    work(request)
    ended(declare(seen).send())
    assert threads == [loop_thread()] * 2


def test_beside_hooks_that_may_block_a_task_takes_a_thread(request, declare, middleware, ended, caplog) -> None:
    class Writes(Middleware):
        """Uses the database, which no event loop may."""

        def after_process_message(self, broker: Any, message: Any, **told: Any) -> None:
            Effect.objects.create(nonce="by a hook", attempt=0, pid=0)

    async def runs() -> str:
        return "done"

    middleware(Writes())
    work(request)
    assert ended(declare(runs).send()).result == "done"
    assert Effect.objects.get().nonce == "by a hook"
    assert "async tasks take worker threads, hooks may block middleware=Writes" in caplog.text


def test_the_time_limit_of_dramatiq_itself_takes_a_thread(request, declare, middleware, ended, broker) -> None:
    """It interrupts threads, and would interrupt the loop."""

    async def runs() -> str:
        return "done"

    middleware(TimeLimit())
    work(request)
    assert ended(declare(runs).send()).result == "done"
    assert not broker.runtime.coroutines.function_of("acting.runs")


def test_a_wrapper_of_a_projects_own_around_the_function_is_called(request, declare, middleware, ended) -> None:
    class Wraps(Middleware):
        def before_declare_actor(self, broker: Any, actor: Any) -> None:
            fn = actor.fn
            actor.fn = lambda *args: f"wrapped {fn(*args)}"

    async def runs() -> str:
        return "done"

    middleware(Wraps())
    work(request)
    assert ended(declare(runs).send()).result == "wrapped done"


def test_a_worker_whose_places_are_all_taken_is_not_idle(
    settings, request, declare, meeting, broker, wait_until
) -> None:
    async def lasts() -> None:
        await meeting.attend()

    settings.WORKER_ASYNC_TASKS = 1
    actor = declare(lasts, queue_name="isolated")
    work(request)
    actor.send()
    wait_until(lambda: meeting.here == 1)
    broker.runtime.holdings.taken_at = time.monotonic() - 100
    assert broker.runtime.vital_signs.read().untaken_ms < 50_000
    meeting.is_open.set()
    wait_until(lambda: not TaskStatus.objects.unfinished().exists())


# --- The loop --------------------------------------------------------------------------------------


def test_tasks_that_wait_for_a_blocked_loop_are_released(
    working, broker, declare, wait_until, monkeypatch, ended
) -> None:
    monkeypatch.setattr(coroutines, "BLOCKED_SECONDS", 0.05)
    begun, free = threading.Event(), threading.Event()

    async def blocks() -> None:
        begun.set()
        free.wait(LONG)

    async def waits() -> str:
        return "done"

    blocking = declare(blocks).send()
    assert begun.wait(10)
    waiting = declare(waits).send()
    wait_until(TaskStatus.objects.filter(task_id=waiting.message_id, attempt__gt=0).exists)
    wait_until(lambda: not broker.runtime.coroutines.waiting)
    free.set()
    assert (ended(blocking).status, ended(waiting).status) == ("completed", "completed")


def test_a_stopping_worker_lets_its_tasks_end(request, attend, meeting, wait_until) -> None:
    worker = work(request)
    messages = [attend.send() for _ in range(10)]
    wait_until(lambda: meeting.here == 10)
    threading.Timer(0.2, meeting.is_open.set).start()
    stop_worker(worker, drain_seconds=20)
    rows = TaskStatus.objects.filter(task_id__in=[message.message_id for message in messages])
    assert set(rows.values_list("status", flat=True)) == {"completed"}


def test_a_task_that_outlives_the_stop_is_released_and_one_that_asked_to_know_is_told(
    request, attend, declare, meeting, wait_until
) -> None:
    async def asks() -> None:
        meeting.here += 1
        try:
            await asyncio.sleep(LONG)
        finally:
            await Effect.objects.acreate(nonce="told", attempt=0, pid=0)

    worker = work(request)
    messages = [attend.send(), declare(asks, notify_shutdown=True).send()]
    wait_until(lambda: meeting.here == 2)
    stop_worker(worker, drain_seconds=0.5)
    rows = TaskStatus.objects.filter(task_id__in=[message.message_id for message in messages])
    assert set(rows.values_list("status", "attempt", "crashes")) == {("pending", 1, 0)}
    assert Effect.objects.get().nonce == "told"
