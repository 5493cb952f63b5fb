"""A message that is enqueued again, by `Retries`, a middleware or its own actor, is a move of its row."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.utils import timezone
from dramatiq import Middleware
from dramatiq.middleware import CurrentMessage, SkipMessage

from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.acting.models import Effect
from workers.broker import LedgerBroker
from workers.middleware.connections import Connections
from workers.middleware.ending import Ending
from workers.sending.following import check_again

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("working"), pytest.mark.redis]

#: The ends of the list of middleware: before what tracks tasks, and where a project puts its own.
everywhere = pytest.mark.parametrize("before", [Connections, Ending], ids=["first", "last"])


@pytest.fixture
def add_middleware(broker: LedgerBroker) -> Iterator[Callable[..., None]]:
    """Add a middleware, for this test only."""
    added: list[Middleware] = []

    def add(middleware: Middleware, *, before: type[Middleware] = Ending) -> None:
        broker.add_middleware(middleware, before=before)
        added.append(middleware)

    yield add
    for middleware in added:
        broker.middleware.remove(middleware)


def say_message() -> Any:
    """Return a message that gets the result before it as its argument."""
    actor: Any = tasks.say
    return actor.message()


# --- A retry is an enqueue -----------------------------------------------------------------------


class Notes(Middleware):
    """Keeps a number in the message's options, and what it saw of each enqueue and each start."""

    def __init__(self) -> None:
        self.enqueued: list[tuple[str, int, Any]] = []
        self.started: list[dict[str, Any]] = []
        self.sent_at: set[int] = set()

    def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        message.options["hops"] = message.options.get("hops", 0) + 1
        self.enqueued.append(("before", message.options["hops"], delay))

    def after_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        self.enqueued.append(("after", message.options["hops"], delay))

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.started.append(dict(message.options))
        self.sent_at.add(message.message_timestamp)


def test_hooks_of_enqueue_are_called_at_a_retry_and_what_they_keep_survives(add_middleware, ended) -> None:
    notes = Notes()
    add_middleware(notes)
    row = ended(tasks.fail_times.send_with_options(args=(2,), min_backoff=0, max_retries=3))
    assert (row.status, row.retries, row.options["hops"]) == ("completed", 2, 3)
    # The worker may be done before the sender calls the hooks after its enqueue.
    assert sorted(notes.enqueued, key=lambda note: note[1]) == [
        ("before", 1, None), ("after", 1, None),
        ("before", 2, 0), ("after", 2, 0),
        ("before", 3, 0), ("after", 3, 0),
    ]  # fmt: skip
    assert [options["hops"] for options in notes.started] == [1, 2, 3]
    assert len(notes.sent_at) == 1


def test_a_retry_knows_when_and_with_which_traceback_the_attempt_before_it_failed(add_middleware, ended) -> None:
    notes = Notes()
    add_middleware(notes)
    before_ms = timezone.now().timestamp() * 1000
    row = ended(tasks.fail_times.send_with_options(args=(1,), min_backoff=0, max_retries=3))
    first, second = notes.started
    assert not {"traceback", "requeue_timestamp"} & first.keys()
    assert "Traceback (most recent call last)" in second["traceback"]
    assert second["requeue_timestamp"] >= int(before_ms)
    assert "traceback" not in row.options


def test_options_that_json_cannot_carry_fail_the_task_and_its_row_says_why(add_middleware, ended) -> None:
    class Odd(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            message.options["seen"] = {1}

    add_middleware(Odd())
    row = ended(tasks.fail_times.send_with_options(args=(1,), min_backoff=0, max_retries=3))
    assert (row.status, row.error_type) == ("failed", "RuntimeError")
    assert "acting.fail_times cannot be enqueued again: " in row.error_message


# --- A middleware or an actor puts its task off --------------------------------------------------


class PutsOff(Middleware):
    """Puts a task off twice, before it runs or after that."""

    def __init__(self, hook: str, *, copied: bool) -> None:
        self.copied, self.times = copied, 0
        setattr(self, hook, self.put_off)

    def put_off(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        if message.actor_name != "acting.effect" or self.times == 2:
            return
        self.times += 1
        broker.enqueue(message.copy() if self.copied else message, delay=self.times * 1.0)
        if result is None and exception is None:
            raise SkipMessage("later")


@everywhere
@pytest.mark.parametrize("copied", [False, True], ids=["itself", "a copy"])
def test_a_middleware_puts_a_task_off_before_it_runs(add_middleware, ended, before, copied) -> None:
    add_middleware(PutsOff("before_process_message", copied=copied), before=before)
    row = ended(tasks.effect.send("late"))
    assert (row.status, row.result, row.attempt, row.retries) == ("completed", "late", 2, 0)
    assert Effect.objects.count() == 1


@everywhere
def test_a_middleware_puts_a_task_off_after_it_has_run(add_middleware, ended, before) -> None:
    add_middleware(PutsOff("after_process_message", copied=False), before=before)
    row = ended(tasks.effect.send("again"))
    assert (row.status, row.result, row.attempt, row.retries) == ("completed", "again", 2, 0)
    assert Effect.objects.count() == 3


@everywhere
def test_a_middleware_puts_a_task_off_that_has_failed(add_middleware, ended, before) -> None:
    class Forgives(Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            if exception is not None:
                broker.enqueue(message, delay=timedelta(milliseconds=1))

    add_middleware(Forgives(), before=before)
    row = ended(tasks.fail_times.send_with_options(args=(2,), max_retries=0))
    assert (row.status, row.result, row.retries) == ("completed", 2, 2)


@pytest.mark.parametrize("options", [{}, {"transactional": True}], ids=["plain", "transactional"])
def test_an_actor_puts_itself_off_and_nothing_follows_before_its_end(declare, broker, ended, options) -> None:
    def waits() -> int:
        message = CurrentMessage.get_current_message()
        assert message is not None
        Effect.objects.create(nonce="", task_id=message.message_id, attempt=message.options["attempt"], pid=0)
        if message.options["attempt"] < 2:
            broker.enqueue(message, delay=1)
        return int(message.options["attempt"])

    first = declare(waits, max_retries=0, **options).message()
    pipe: Any = dramatiq.pipeline([first, say_message()])
    pipe.run()
    assert ended(pipe.messages[1]).result == 2
    row = ended(first)
    assert (row.status, row.result, row.attempt, row.snoozes) == ("completed", 2, 2, 2)
    assert Effect.objects.count() == 3
    assert TaskStatus.objects.filter(task_name="acting.say").count() == 1


def test_an_async_actor_puts_itself_off(declare, broker, ended) -> None:
    async def waits() -> int:
        message = CurrentMessage.get_current_message()
        assert message is not None
        if not message.options["attempt"]:
            broker.enqueue(message, delay=1)
        return int(message.options["attempt"])

    assert ended(declare(waits, max_retries=0).send()).result == 1


def test_a_new_send_with_the_id_of_the_running_task_has_no_effect(declare, ended) -> None:
    def sends() -> str:
        message = CurrentMessage.get_current_message()
        assert message is not None
        return str(actor.send_with_options(message_id=message.message_id).was_new)

    actor = declare(sends, max_retries=0)
    row = ended(actor.send())
    assert (row.status, row.result, row.attempt) == ("completed", "False", 0)


def test_another_argument_is_refused() -> None:
    own = tasks.add.message(1, 2)
    check_again(own, own.copy(options={"hops": 1}))
    with pytest.raises(TypeError, match=r"acting\.add enqueues its own message with another args"):
        check_again(own, own.copy(args=(1, 3)))


# --- A middleware fails a task -------------------------------------------------------------------


class Refuses(Middleware):
    """Fails each task of an actor, in one of the hooks."""

    def __init__(self, hook: str) -> None:
        setattr(self, hook, self.refuse)

    def refuse(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        if message.actor_name == "acting.effect":
            message.fail()


@everywhere
@pytest.mark.parametrize(("hook", "effects"), [("before_process_message", 0), ("after_process_message", 1)])
def test_a_task_that_a_middleware_fails_has_failed(add_middleware, ended, before, hook, effects) -> None:
    add_middleware(Refuses(hook), before=before)
    pipe: Any = dramatiq.pipeline([tasks.effect.message("no"), say_message()])
    pipe.run()
    row = ended(pipe.messages[0])
    assert (row.status, row.result, row.error_message) == ("failed", None, "A middleware refused it.")
    assert Effect.objects.count() == effects
    assert not TaskStatus.objects.filter(task_name="acting.say").exists()
