"""`run_due` and `run_tasks`: tasks run in the test's thread and transaction, through the real middleware."""

import os
import threading
from typing import Any

import dramatiq
import pytest
from django.db import connection, connections, transaction
from django.test import TestCase, TransactionTestCase
from django_tasks.signals import task_finished
from dramatiq.results import ResultMissing, Results

from apps.documents.tasks import clean_expired_documents
from apps.tasks import groups, ledger, pauses, progress, states
from apps.tasks.errors import Cancelled
from apps.tasks.models import TaskChild, TaskStatus
from tests.acting import django_tasks
from tests.acting import tasks as acting
from tests.acting.models import Effect
from workers.broker import LedgerBroker
from workers.testing import MisuseError, advance, perform, run_due, run_schedule, run_tasks


@pytest.mark.django_db  # On both databases.
class TestInATestCase(TestCase):
    def test_a_task_runs_and_its_row_says_so(self) -> None:
        message = acting.effect.send("a")
        (row,) = run_due()
        assert (row.task_id, row.status, row.result) == (message.message_id, states.COMPLETED, "a")
        assert Effect.objects.get().task_id == message.message_id
        assert run_due() == []

    def test_a_retry_waits_for_the_clock(self) -> None:
        acting.fail_times.send_with_options(args=(1,), min_backoff=60_000, max_backoff=120_000)
        (row,) = run_due()
        assert (row.status, row.retries) == (states.PENDING, 1)
        assert run_due() == []
        advance(minutes=2)
        (row,) = run_due()
        assert row.status == states.COMPLETED

    def test_all_retries_run_until_the_task_has_failed(self) -> None:
        acting.fail_times.send(99)
        rows = run_tasks()
        assert [row.status for row in rows] == [states.PENDING] * 3 + [states.FAILED]

    def test_a_delayed_task_runs_at_its_time(self) -> None:
        acting.say.send_with_options(args=("later",), delay=3_600_000)
        assert run_due() == []
        advance(minutes=59)
        assert run_due() == []
        advance(minutes=1)
        assert [row.result for row in run_due()] == ["later"]

    def test_a_task_that_expires_before_its_turn_fails(self) -> None:
        acting.say.send_with_options(args=("late",), max_age=60_000)
        advance(minutes=2)
        assert run_due() == []
        assert TaskStatus.objects.get().status == states.FAILED

    def test_tasks_of_a_paused_queue_or_actor_wait(self) -> None:
        acting.say.send("waits")
        acting.slow_effect.send("too", 0)
        pauses.pause(pauses.ACTOR, "acting.say")
        pauses.pause(pauses.QUEUE, "slow")
        acting.effect.send("runs")
        assert [row.task_name for row in run_tasks()] == ["acting.effect"]
        pauses.resume(pauses.ACTOR, "acting.say")
        pauses.resume(pauses.QUEUE, "slow")
        assert len(run_tasks()) == 2

    def test_an_error_is_raised_if_asked_after_its_outcome_is_written(self) -> None:
        acting.transactional_failure.send("a")
        with pytest.raises(RuntimeError):
            run_due(raise_errors=True)
        assert TaskStatus.objects.get().status == states.FAILED
        assert not Effect.objects.exists()

    def test_a_pipeline_and_a_group_run_to_their_end(self) -> None:
        dramatiq.pipeline([acting.add.message(1, 2), acting.add.message_with_options(args=(3,))]).run()
        group = groups.group([acting.say.message(1), acting.say.message(2)])
        group.add_completion_callback(acting.told.message())
        group.run()
        rows = run_tasks()
        assert [row.status for row in rows] == [states.COMPLETED] * 5
        assert [row.result for row in rows if row.task_name == "acting.add"] == [3, 6]

    def test_an_async_actor_sees_the_transaction_of_the_test(self) -> None:
        acting.effect_async.send("a")
        assert [row.task_name for row in run_due()] == ["acting.effect_async", "acting.effect"]
        assert Effect.objects.filter(nonce="a").exists()

    def test_hooks_on_commit_of_the_test_are_djangos(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            transaction.on_commit(lambda: acting.say.send("hooked"))
        assert [row.result for row in run_due()] == ["hooked"]

    def test_an_open_block_is_refused(self) -> None:
        with transaction.atomic(), pytest.raises(MisuseError, match="leave the block"):
            run_due()

    def test_what_is_no_span_of_time_is_refused(self) -> None:
        for wrong, told in (({"mins": 1}, "mins=1"), ({"minutes": "1"}, "minutes='1'")):
            with pytest.raises(MisuseError, match=rf"advance\({told}\) is no span of time\. .*advance\(minutes=5\)"):
                advance(**wrong)
        with pytest.raises(MisuseError, match=r"advance\(5\) is no span"):
            advance(5)  # type: ignore[arg-type]

    def test_all_that_is_due_runs_and_no_actor_is_taken(self) -> None:
        for run in (run_due, run_tasks):
            with pytest.raises(MisuseError, match=r"takes no Actor.*perform\(actor, \.\.\.\) runs one actor alone"):
                run(acting.say)  # type: ignore[arg-type]

    def test_a_result_is_there_after_its_task_and_not_before(self) -> None:
        message = acting.say.send("told")
        with pytest.raises(ResultMissing, match=r"acting\.say .* has not ended\. In a test, run_due\(\)"):
            message.get_result()
        with pytest.raises(RuntimeError, match=r"inside a transaction.* In a test, run_due\(\)"):
            message.get_result(block=True)
        with pytest.raises(RuntimeError, match=r"join\('default'\) cannot succeed inside a transaction"):
            dramatiq.get_broker().join("default")
        run_due()
        assert message.get_result(block=True) == message.get_result() == "told"
        dramatiq.get_broker().join("default")

    def test_a_declared_schedule_sends_its_task_with_its_arguments(self) -> None:
        for schedule in ("documents.clean_expired_documents", clean_expired_documents):
            row = run_schedule(schedule)
            assert (row.status, row.options["schedule"]) == (states.COMPLETED, "documents.clean_expired_documents")
        with pytest.raises(
            MisuseError,
            match=r"Unknown schedule 'documents\.clean_expired', .*did you mean 'documents\.",
        ):
            run_schedule("documents.clean_expired")

    def test_a_clock_goes_forward_only(self) -> None:
        for wrong in ({}, {"minutes": -1}):
            with pytest.raises(MisuseError, match="above zero"):
                advance(**wrong)


@pytest.mark.django_db  # On both databases.
class TestInATransactionTestCase(TransactionTestCase):
    def test_a_task_runs(self) -> None:
        acting.effect.send("a")
        assert [row.status for row in run_due()] == [states.COMPLETED]


@pytest.fixture
def declared() -> Any:
    """Declare an actor for this test only."""
    broker = dramatiq.get_broker()
    names: list[str] = []

    def declare(fn: Any, **options: Any) -> Any:
        actor: Any = dramatiq.actor(actor_name=f"acting.{fn.__name__}", **options)(fn)
        names.append(actor.actor_name)
        return actor

    yield declare
    for name in names:
        broker.actors.pop(name)


@pytest.mark.django_db
def test_what_an_actor_wrote_before_it_raised_stays(declared: Any) -> None:
    def half_way() -> None:
        Effect.objects.create(nonce="a", task_id="1", attempt=0, pid=1)
        raise LookupError("half-way")

    declared(half_way, max_retries=0).send()
    assert [row.error_message for row in run_due()] == ["half-way"]
    assert Effect.objects.count() == 1


@pytest.mark.django_db
def test_an_error_of_the_database_spoils_no_later_task(declared: Any) -> None:
    def twice() -> None:
        effect = Effect.objects.create(nonce="a", task_id="1", attempt=0, pid=1)
        Effect.objects.bulk_create([Effect(pk=effect.pk, nonce="b", task_id="1", attempt=0, pid=1)])

    declared(twice, max_retries=0).send()
    acting.effect.send("c")
    assert [row.status for row in run_due()] == [states.FAILED, states.COMPLETED]


@pytest.mark.django_db
def test_hooks_of_an_actor_run_and_their_error_is_the_actors(declared: Any) -> None:
    done: list[str] = []

    def hooked() -> None:
        with transaction.atomic():
            transaction.on_commit(lambda: done.append("ran"))
            transaction.on_commit(lambda: [][0])

    declared(hooked, max_retries=0).send()
    assert [row.error_type for row in run_due()] == ["IndexError"]
    assert done == ["ran"]


@pytest.mark.django_db
def test_an_actor_that_sends_itself_is_stopped(declared: Any) -> None:
    def again() -> None:
        actor.send()

    actor = declared(again)
    actor.send()
    with pytest.raises(MisuseError, match=r"has run 5 times and acting\.again was the last"):
        run_due(at_most=5)


@pytest.mark.django_db
def test_a_task_that_runs_tasks_is_refused(declared: Any) -> None:
    def nested() -> None:
        run_due()

    declared(nested, max_retries=0).send()
    with pytest.raises(MisuseError, match="was called by a task"):
        run_due(raise_errors=True)


@pytest.mark.django_db
def test_ctrl_c_ends_the_test(declared: Any) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    declared(interrupted, max_retries=0).send()
    with pytest.raises(KeyboardInterrupt):
        run_due()


@pytest.mark.django_db
@pytest.mark.parametrize("close", [lambda: connection.close(), lambda: connections.close_all()])
def test_nothing_closes_the_connection_of_the_test(declared: Any, close: Any) -> None:
    def cancels_itself() -> None:
        close()
        raise Cancelled

    actor = declared(cancels_itself, max_retries=0)
    Effect.objects.create(nonce="a", task_id="1", attempt=0, pid=1)
    actor.send()
    assert [row.status for row in run_due()] == [states.CANCELLED]
    with pytest.raises(Cancelled):
        perform(actor)
    assert Effect.objects.exists()


def cancel_with_ledger(task_id: str) -> None:
    assert ledger.cancel(task_id) is False


def cancel_with_its_parent(task_id: str) -> None:
    parent = acting.say.send("parent")
    TaskChild.objects.create(task_id=task_id, parent_id=parent.message_id)
    assert ledger.cancel(parent.message_id) is True


@pytest.mark.django_db
@pytest.mark.parametrize("cancel", [cancel_with_ledger, cancel_with_its_parent])
def test_a_request_to_cancel_reaches_the_task_that_runs(declared: Any, cancel: Any) -> None:
    done: list[str] = []

    def cancellable() -> None:
        for step in progress.track(["first", "second", "third"]):
            done.append(step)
            if step == "second":
                cancel(message.message_id)

    message = declared(cancellable).send()
    [row] = run_due()
    assert (row.status, row.progress, done) == (states.CANCELLED, 66, ["first", "second"])


@pytest.mark.django_db
def test_a_cancelled_task_is_not_retried(declared: Any) -> None:
    def fails() -> None:
        ledger.cancel(message.message_id)
        raise LookupError

    message = declared(fails).send()
    assert [row.status for row in run_tasks()] == [states.CANCELLED]


@pytest.mark.django_db
def test_an_isolated_actor_runs_in_this_process(declared: Any) -> None:
    pids: list[int] = []

    def alone() -> None:
        pids.append(os.getpid())

    declared(alone, isolate=True).send()
    assert [row.status for row in run_due()] == [states.COMPLETED]
    assert pids == [os.getpid()]


@pytest.mark.django_db
def test_a_limited_task_gets_its_place(declared: Any) -> None:
    def limited() -> None:
        pass

    actor = declared(limited, concurrency=1)
    for _ in range(3):
        actor.send()
    assert [row.status for row in run_due()] == [states.COMPLETED] * 3


@pytest.mark.django_db
def test_an_actor_that_nobody_declares_is_named(declared: Any) -> None:
    def gone() -> None:
        pass

    declared(gone).send()
    actor = dramatiq.get_broker().actors.pop("acting.gone")
    try:
        with pytest.raises(MisuseError, match=r"acting\.gone cannot run: No worker knows the actor"):
            run_due()
    finally:
        dramatiq.get_broker().actors["acting.gone"] = actor


@pytest.mark.django_db
class TestSignalsOfDjangoTasks(TestCase):
    def test_task_finished_is_sent_in_the_thread_of_the_test_before_run_due_returns(self) -> None:
        seen: list[Any] = []

        def note(task_result: Any, **signal: Any) -> None:
            seen.append((task_result.id, task_result.status, threading.current_thread()))

        task_finished.connect(note)
        try:
            result = django_tasks.add.enqueue(1)
            run_due()
        finally:
            task_finished.disconnect(note)
        assert seen == [(result.id, "SUCCESSFUL", threading.current_thread())]


@pytest.mark.django_db
def test_no_line_says_that_a_result_was_discarded(
    broker: LedgerBroker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting.say.send("kept without the middleware of results")
    with monkeypatch.context() as patch:
        patch.setattr(broker, "middleware", [one for one in broker.middleware if not isinstance(one, Results)])
        assert [row.result for row in run_due()] == ["kept without the middleware of results"]
    [results] = [one for one in broker.middleware if isinstance(one, Results)]
    monkeypatch.setattr(results, "store_results", False)
    acting.say.send("kept with its default")
    assert [row.result for row in run_due()] == ["kept with its default"]
    assert "returned a value" not in caplog.text


@pytest.mark.django_db
def test_an_error_is_logged_once_without_the_calls_of_libraries(
    declared: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise LookupError("not there")

    declared(fails, max_retries=1, min_backoff=1, max_backoff=1).send()
    run_tasks()
    assert caplog.text.count("LookupError: not there\n") == 1
    assert "workers/middleware" not in caplog.text
    assert "dramatiq/actor.py" not in caplog.text
