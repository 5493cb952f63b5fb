"""Callbacks, pipelines and groups: each follow-up ends as a row, or the row of its task says why there is none."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from dramatiq import Message, Middleware

from apps.tasks.models import TaskAttempt, TaskStatus
from tests.acting import tasks
from workers.broker import LedgerBroker
from workers.middleware.ending import Ending

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("working")]

both_kinds = pytest.mark.parametrize("transactional", [False, True], ids=["plain", "transactional"])


@pytest.fixture
def add_middleware(broker: LedgerBroker) -> Iterator[Callable[[Middleware], None]]:
    """Add a middleware where a project puts its own, for this test only."""
    added: list[Middleware] = []

    def add(middleware: Middleware) -> None:
        broker.add_middleware(middleware, before=Ending)
        added.append(middleware)

    yield add
    for middleware in added:
        broker.middleware.remove(middleware)


def message_for(actor_name: str, *args: Any, queue_name: str = "default", **values: Any) -> Message[Any]:
    """Return a message for an actor that this process may not know."""
    return Message(queue_name=queue_name, actor_name=actor_name, args=args, kwargs={}, options={}, **values)


def of(task_name: str) -> Any:
    return TaskStatus.objects.filter(task_name=task_name)


# --- Actors that this process does not know -----------------------------------------------------


@both_kinds
def test_the_next_of_a_pipeline_waits_as_a_row_for_its_unknown_actor(declare, wait_until, transactional) -> None:
    def first() -> str:
        return "said"

    actor = declare(first, transactional=transactional, max_retries=0)
    (actor.message() | message_for("acting.of_the_next_release")).run()
    row = wait_until(lambda: of("acting.of_the_next_release").filter(unknown_since__isnull=False).first())
    assert (row.status, row.args, row.queue_name) == ("pending", ["said"], "default")
    assert of("acting.first").get().status == "completed"


@pytest.mark.parametrize("hook", ["on_success", "on_failure", "on_retry_exhausted"])
def test_a_callback_waits_as_a_row_for_its_unknown_actor(declare, wait_until, hook) -> None:
    def ends() -> str:
        if hook != "on_success":
            raise ValueError("no")
        return "done"

    options = {hook: "acting.of_the_next_release"}
    message = declare(ends, queue_name="slow", max_retries=0, **options).send()
    row = wait_until(lambda: of("acting.of_the_next_release").filter(unknown_since__isnull=False).first())
    assert (row.status, row.queue_name) == ("pending", "slow")
    assert row.args[0]["message_id"] == message.message_id


@both_kinds
def test_a_group_calls_an_unknown_actor_back_with_a_row(declare, wait_until, transactional) -> None:
    def member(number: int) -> int:
        return number

    actor = declare(member, transactional=transactional)
    group = dramatiq.group([actor.message(number) for number in range(3)])
    group.add_completion_callback(message_for("acting.of_the_next_release"))
    group.run()
    row = wait_until(lambda: of("acting.of_the_next_release").filter(unknown_since__isnull=False).first())
    assert row.status == "pending"


# --- Values -------------------------------------------------------------------------------------


@both_kinds
@pytest.mark.parametrize("hook", ["pipe", "on_success"])
def test_what_follows_with_arguments_that_its_actor_does_not_take_is_a_row_that_says_why(
    declare, wait_until, transactional, hook
) -> None:
    def takes_none() -> None:
        pass

    declare(takes_none, max_retries=0)
    options = {} if hook == "pipe" else {hook: "acting.takes_none"}
    first = declare(lambda_named("first"), transactional=transactional, max_retries=0, **options).message()
    dramatiq.pipeline([first, *([message_for("acting.takes_none")] if hook == "pipe" else [])]).run()
    row = wait_until(lambda: of("acting.takes_none").exclude(error_message="").first())
    assert row.error_message.startswith("No worker has a version of the actor that takes these arguments.")
    assert of("acting.first").get().status == "completed"


@both_kinds
def test_the_next_of_a_pipeline_gets_the_result_as_it_is_stored(declare, ended, transactional) -> None:
    def first() -> Any:
        return {1: ("a\x00b", "\ud800"), "deep": [[[]]]}

    pipe = declare(first, transactional=transactional, max_retries=0).message() | message_for("acting.say")
    pipe.run()
    assert ended(pipe.messages[1]).result == ended(pipe.messages[0]).result
    assert ended(pipe.messages[1]).args == [{"1": ["a\ufffdb", "?"], "deep": [[[]]]}]


@both_kinds
def test_what_follows_a_task_may_be_larger_than_a_send(declare, ended, wait_until, settings, transactional) -> None:
    settings.TASK_MAX_ARGUMENT_BYTES = 1_000

    def grows(text: str) -> str:
        return text * 10

    actor = declare(grows, transactional=transactional, on_success="acting.note_success", max_retries=0)
    pipe = actor.message("x" * 900) | message_for("acting.say")
    pipe.run()
    assert ended(pipe.messages[1]).result == "x" * 9_000
    assert wait_until(lambda: of("acting.note_success").finished().first()).status == "completed"


def test_a_failed_task_tells_its_callbacks_of_large_arguments(declare, wait_until, settings) -> None:
    settings.TASK_MAX_ARGUMENT_BYTES = 1_000

    def fails(text: str) -> None:
        raise ValueError("no")

    declare(fails, max_retries=0, on_retry_exhausted="acting.exhausted").send("x" * 990)
    assert wait_until(lambda: of("acting.exhausted").finished().first()).result["retries"] == 0


def test_an_error_without_a_text_is_told_to_its_callback(declare, wait_until) -> None:
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise SystemExit

    def fails() -> None:
        raise UnprintableError

    declare(fails, max_retries=0, on_failure="acting.note_success").send()
    told = wait_until(lambda: of("acting.note_success").finished().first())
    assert told.result[1] == {"type": "UnprintableError", "message": "UnprintableError"}


# --- Messages that cannot be recorded -----------------------------------------------------------


@both_kinds
def test_a_next_message_that_json_cannot_carry_is_told_by_the_task(declare, ended, transactional) -> None:
    def first() -> set[int]:
        return {1}

    actor = declare(first, transactional=transactional, store_results=False, max_retries=0)
    pipe = actor.message() | message_for("acting.say")
    pipe.run()
    row = ended(pipe.messages[0])
    assert row.status == "failed"
    assert "set is not JSON serializable" in row.error_message
    assert not of("acting.say").exists()


@both_kinds
def test_a_next_message_that_is_none_is_told_by_the_task(declare, ended, transactional) -> None:
    actor = declare(lambda_named("first"), transactional=transactional, max_retries=0)
    row = ended(actor.send_with_options(pipe_target={"nonsense": 1}))
    assert (row.status, row.error_type) == ("failed", "TypeError")
    assert "nonsense" in row.error_message


@both_kinds
def test_a_next_message_that_the_database_refuses_is_told_by_the_task(
    declare, ended, monkeypatch, transactional
) -> None:
    actor = declare(lambda_named("first"), transactional=transactional, max_retries=0)
    neighbours = [tasks.add.send(number, number) for number in range(3)]
    monkeypatch.setattr("workers.sending.arguments.check_columns", lambda message, *, priority: None)
    row = ended(actor.send_with_options(pipe_target=message_for("acting.say").copy(message_id=None).asdict()))
    assert (row.status, row.error_type) == ("failed", "django.db.utils.IntegrityError")
    assert transactional or "What follows it (acting.say) could not be stored" in row.error_message
    assert [ended(message).result for message in neighbours] == [0, 2, 4]


@both_kinds
@pytest.mark.parametrize(
    "odd",
    [
        {"message_id": ""},
        {"message_id": "x" * 256},
        {"message_id": 5},
        {"actor_name": 5},
        {"actor_name": None},
        {"actor_name": ["say"]},
        {"actor_name": "x" * 256},
        {"queue_name": 5},
        {"queue_name": ""},
        {"queue_name": "x" * 101},
    ],
    ids=lambda odd: str(odd)[:30],
)
def test_a_next_message_that_no_column_holds_is_told_by_the_task(declare, ended, transactional, odd) -> None:
    actor = declare(lambda_named("first"), transactional=transactional, max_retries=0)
    row = ended(actor.send_with_options(pipe_target=message_for("acting.say").asdict() | odd))
    assert (row.status, row.error_type) == ("failed", "apps.tasks.errors.FollowUpError")
    assert "must be a text of 1 to" in row.error_message
    assert TaskStatus.objects.count() == 1


def test_a_task_can_be_retried_when_what_follows_it_is_mended(declare, ended, wait_until) -> None:
    from apps.tasks import ledger

    results: list[Any] = [{1}, [1]]

    def first() -> Any:
        return results.pop(0)

    pipe = declare(first, store_results=False, max_retries=0).message() | message_for("acting.say")
    pipe.run()
    failed = ended(pipe.messages[0])
    assert failed.status == "failed"
    assert ledger.retry(failed.task_id)
    assert ended(pipe.messages[1]).result == [1]
    assert ended(pipe.messages[0]).error_message == ""


def lambda_named(name: str) -> Callable[[], str]:
    def actor() -> str:
        return "done"

    actor.__name__ = name
    return actor


# --- Owners -------------------------------------------------------------------------------------


@both_kinds
def test_what_follows_a_task_that_deletes_its_owner_belongs_to_nobody(declare, ended, transactional) -> None:
    user = get_user_model().objects.create_user("leaver")

    def leaves() -> str:
        get_user_model().objects.all().delete()
        tasks.say.send("inside")
        with transaction.atomic():
            tasks.say.send("inside a transaction")
        return "gone"

    pipe = declare(leaves, transactional=transactional, max_retries=0).message_with_options(
        owner_id=user.pk
    ) | message_for("acting.say")
    pipe.run()
    assert ended(pipe.messages[1]).result == "gone"
    rows = TaskStatus.objects.order_by("id")
    assert {row.task_name: ended(message_of(row)).status for row in rows} == {
        "acting.leaves": "completed",
        "acting.say": "completed",
    }
    assert [row.owner_id for row in rows] == [None] * 4


def message_of(row: TaskStatus) -> Message[Any]:
    return message_for(row.task_name, message_id=row.task_id)


@pytest.mark.parametrize("transactional", [False, True])
def test_a_task_completes_though_its_owner_is_deleted_while_it_runs(declare, ended, wait_until, transactional) -> None:
    if transactional and connection.vendor == "sqlite":
        pytest.skip("On SQLite a transactional actor holds the only write lock")
    user = get_user_model().objects.create_user("leaver")
    started, go = threading.Event(), threading.Event()

    def waits() -> str:
        started.set()
        go.wait(60)
        return "done"

    actor = declare(waits, transactional=transactional, max_retries=0, on_success="acting.note_success")
    message = actor.send_with_options(owner_id=user.pk)
    assert started.wait(60)
    user.delete()
    go.set()
    assert ended(message).status == "completed"
    assert wait_until(lambda: of("acting.note_success").finished().first()).owner_id is None


def test_a_send_for_an_owner_who_is_being_deleted_waits_for_that_and_belongs_to_nobody(ended) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer")
    user = get_user_model().objects.create_user("leaver")
    sent: list[Message[Any]] = []

    def send() -> None:
        sent.append(tasks.say.send_with_options(args=("hello",), owner_id=owner_id))
        connection.close()

    owner_id = user.pk
    sender = threading.Thread(target=send)
    with transaction.atomic():
        user.delete()
        sender.start()
    sender.join(60)
    assert ended(sent[0]).owner_id is None


# --- After-hooks of a project -------------------------------------------------------------------


class Broken(Middleware):
    """Raises an error after each task."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        raise self.error("no metrics")


@both_kinds
@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_a_broken_hook_of_the_project_is_told_by_a_completed_task(
    declare, ended, add_middleware, transactional, error
) -> None:
    add_middleware(Broken(error))
    actor = declare(lambda_named("first"), transactional=transactional, max_retries=0, on_success="acting.say")
    pipe = actor.message() | message_for("acting.say")
    pipe.run()
    row = ended(pipe.messages[0])
    assert (row.status, row.result) == ("completed", "done")
    assert row.error_type == ("" if transactional else error.__name__)
    # A transactional task is completed by then, so the log alone tells it.
    assert transactional or row.error_message == "It ran, but Broken failed: no metrics"
    assert ended(pipe.messages[1]).result == "done"


def test_a_broken_hook_does_not_hide_the_error_of_the_task(ended, add_middleware) -> None:
    add_middleware(Broken(RuntimeError))
    row = ended(tasks.expected.send())
    assert (row.status, row.error_type) == ("failed", "KeyError")
    assert row.error_message == "'expected'\nBroken failed: RuntimeError: no metrics"
    assert TaskAttempt.objects.get().error_message == row.error_message


def test_a_rule_for_retries_that_raises_fails_its_task(declare, ended) -> None:
    def rule(retries: int, exception: BaseException) -> bool:
        raise LookupError("no such rule")

    def fails() -> None:
        raise ValueError("no")

    row = ended(declare(fails, retry_when=rule).send())
    assert (row.status, row.attempt, row.error_type) == ("failed", 0, "ValueError")
    assert row.error_message.startswith("no\nRetries failed")
    assert "LookupError: no such rule" in row.error_message


class Sends(Middleware):
    """Sends a message after each task of the test's actor."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        if message.actor_name == "acting.first":
            tasks.say.send(self.value)


@both_kinds
def test_a_message_of_a_hook_of_the_project_is_sent(declare, ended, wait_until, add_middleware, transactional) -> None:
    add_middleware(Sends("told"))
    assert ended(declare(lambda_named("first"), transactional=transactional).send()).status == "completed"
    assert wait_until(lambda: of("acting.say").finished().first()).result == "told"


def test_a_message_of_a_hook_that_json_cannot_carry_fails_the_task(declare, ended, add_middleware) -> None:
    add_middleware(Sends({1}))
    row = ended(declare(lambda_named("first"), max_retries=0).send())
    assert (row.status, row.result) == ("failed", "done")
    assert "Sends failed, and what follows the task may be missing" in row.error_message
