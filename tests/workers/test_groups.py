"""Groups: their callbacks come once, however the members end."""

import threading
import uuid
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from dramatiq import Message
from dramatiq.brokers.stub import StubBroker

from apps.tasks import ledger, presence, states
from apps.tasks.errors import BadArgumentsError, GroupError
from apps.tasks.groups import group, progress_of
from apps.tasks.models import TaskGroup, TaskGroupMember, TaskStatus
from apps.tasks.values import Claim, GroupProgress, Outcome, Send
from tests.acting import tasks
from tests.at_once import at_once
from workers import group_callbacks
from workers.broker import LedgerBroker
from workers.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)


def members(count: int) -> list[Message[Any]]:
    return [tasks.add.message(number, number) for number in range(count)]


def run(children: list[Any], *, on: str = "finished", delay: int | None = None) -> group:
    """Run a group that calls `acting.told` back."""
    made = group(children)
    made.add_completion_callback(tasks.told.message(), on=on)  # type: ignore[arg-type]
    made.run(delay=delay)
    return made


def end(messages: list[Message[Any]], status: str) -> None:
    """Write the end of tasks into their rows, as a move that knows nothing of groups."""
    TaskStatus.objects.filter(task_id__in=[message.message_id for message in messages]).update(status=status)


def callbacks(name: str = "acting.told") -> Any:
    return TaskStatus.objects.filter(task_name=name)


def told() -> dict[str, Any]:
    row = callbacks().get()
    assert set(row.kwargs) == {"group"}
    return dict(row.kwargs["group"])


# --- With a worker -------------------------------------------------------------------------------


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("make", [dramatiq.group, group], ids=["dramatiq", "ours"])
def test_a_group_calls_back_when_all_have_completed(wait_until, make) -> None:
    made = make([tasks.add.message(n, n) for n in range(10)])
    made.add_completion_callback(tasks.say.message("all done"))
    made.run()
    done = wait_until(lambda: TaskStatus.objects.finished().filter(task_name="acting.say").first())
    assert done.result == "all done"
    assert sorted(made.get_results(block=True)) == list(range(0, 20, 2))
    assert progress_of(made.key) == GroupProgress(
        total=10, completed=10, failed=0, cancelled=0, waiting=0, running=0, has_ended=True
    )


@pytest.mark.usefixtures("working")
def test_a_finished_callback_gets_the_numbers_and_the_failed_ids(wait_until) -> None:
    good, bad = members(2), tasks.expected.message()
    made = run([*good, bad])
    row = wait_until(lambda: callbacks().finished().first())
    assert row.result == {
        "key": made.key, "total": 3, "completed": 2, "failed": 1, "cancelled": 0, "failed_ids": [bad.message_id],
    }  # fmt: skip


@pytest.mark.usefixtures("working")
def test_retries_delays_and_transactional_members_count_once(wait_until) -> None:
    flaky = tasks.fail_times.message(1)
    delayed = tasks.say.message_with_options(args=("later",), delay=50)
    own = tasks.transactional_effect.message("nonce")
    run([flaky, delayed, own, tasks.transactional_failure.message("nonce")])
    numbers = wait_until(lambda: callbacks().finished().first()).result
    assert (numbers["completed"], numbers["failed"]) == (3, 1)
    assert TaskStatus.objects.get(task_id=delayed.message_id).delayed is False


@pytest.mark.usefixtures("working")
def test_a_pipeline_is_one_member_wherever_it_stops(wait_until) -> None:
    whole = tasks.add.message(1, 2) | tasks.add.message(3)  # type: ignore[call-arg]
    stops = tasks.add.message(1, 2) | tasks.say_odd.message() | tasks.say.message("never")  # type: ignore[call-arg]
    run([whole, stops])
    numbers = wait_until(lambda: callbacks().finished().first()).result
    assert (numbers["total"], numbers["completed"], numbers["failed"]) == (2, 1, 1)
    assert numbers["failed_ids"] == [stops.messages[1].message_id]
    assert whole.get_result(block=True) == 6


@pytest.mark.usefixtures("working")
def test_a_worker_calls_back_without_the_relay(wait_until, monkeypatch) -> None:
    monkeypatch.setattr(Relay, "settle_groups", lambda self: 0)
    run(members(5), on="success")
    run([tasks.transactional_effect.message("a"), tasks.expected.message()])
    assert wait_until(lambda: callbacks().finished().count() == 2)


# --- Every end -----------------------------------------------------------------------------------


def held(message: Message[Any], worker_id: uuid.UUID) -> Claim:
    claim_id = uuid.uuid4()
    ((row,), _) = ledger.claim([(message.message_id, 0)], claim_id=claim_id, worker_id=worker_id)
    return Claim(row.task_id, row.row_id, 0, claim_id, worker_id)


def _cancel_claimed(message: Message[Any]) -> None:
    ledger.finish([Outcome(claim=held(message, uuid.uuid4()), move=states.CANCEL_CLAIMED)])


def _poison(message: Message[Any]) -> None:
    worker_id = uuid.uuid4()
    claim = held(message, worker_id)
    TaskStatus.objects.filter(pk=claim.row_id).update(started_at=TaskStatus.objects.get(pk=claim.row_id).claimed_at)
    ledger.rescue(worker_id, max_crashes=1)


def _expire(message: Message[Any]) -> None:
    row = TaskStatus.objects.filter(task_id=message.message_id)
    row.update(expires_at=row.get().created_at)
    assert ledger.expire_waiting() == 1


def _reject(message: Message[Any]) -> None:
    for _ in range(2):
        ledger.put_off([message.message_id], delay_ms=0, patience_ms=0, reason="unknown")


ENDS = {
    "complete": (lambda m: ledger.finish([Outcome(claim=held(m, uuid.uuid4()), move=states.COMPLETE)]), "completed"),
    "fail": (lambda m: ledger.finish([Outcome(claim=held(m, uuid.uuid4()), move=states.FAIL)]), "failed"),
    "cancel": (lambda m: ledger.cancel(m.message_id), "cancelled"),
    "cancel claimed": (_cancel_claimed, "cancelled"),
    "poison": (_poison, "failed"),
    "expire": (_expire, "failed"),
    "reject": (_reject, "failed"),
}


def test_every_terminal_move_is_tried() -> None:
    assert set(ENDS) == {move.name for move in states.MOVES if move.target in states.TERMINAL}


@pytest.mark.parametrize("move", ENDS)
def test_a_member_that_ends_in_any_way_ends_the_group(broker: LedgerBroker, move) -> None:
    other, member = members(2)
    run([member, other])
    end([other], states.COMPLETED)
    assert group_callbacks.settle(broker) == 0
    ends, status = ENDS[move]
    ends(member)
    assert group_callbacks.settle(broker) == 1
    assert {name: told()[name] for name in ("completed", "failed", "cancelled")} == {
        "completed": 1 + (status == "completed"),
        "failed": int(status == "failed"),
        "cancelled": int(status == "cancelled"),
    }


def test_many_members_cancelled_at_once_end_the_group(broker: LedgerBroker) -> None:
    messages = members(5)
    run(messages)
    ledger.cancel_many(list(TaskStatus.objects.values_list("pk", flat=True)))
    assert group_callbacks.settle(broker) == 1
    assert told()["cancelled"] == 5


def test_deleted_members_do_not_keep_the_group_and_are_no_success(broker: LedgerBroker) -> None:
    messages = members(2)
    made = run(messages)
    TaskStatus.objects.all().delete()
    assert group_callbacks.settle(broker) == 1
    assert (told()["total"], told()["completed"]) == (2, 0)
    assert not TaskGroup.objects.exclude(waits_for="").exists()
    assert progress_of(made.key).total == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("on", ["success", "finished"])
def test_a_group_without_members_calls_back(broker: LedgerBroker, on) -> None:
    run([], on=on)
    assert group_callbacks.settle(broker) == 1
    assert group_callbacks.settle(broker) == 0


# --- Success, and retries by hand -----------------------------------------------------------------


def test_success_waits_for_a_retry_by_hand_and_finished_comes_once(broker: LedgerBroker) -> None:
    first, second = members(2)
    made = group([first, second])
    made.add_completion_callback(tasks.told.message(), on="finished")
    made.add_completion_callback(tasks.say.message("all done"))
    made.run()
    end([first], states.COMPLETED)
    end([second], states.FAILED)
    assert group_callbacks.settle(broker) == 1
    assert not callbacks("acting.say").exists()
    assert ledger.retry(second.message_id)
    assert group_callbacks.settle(broker) == 0
    end([second], states.FAILED)
    assert group_callbacks.settle(broker) == 0
    end([second], states.COMPLETED)
    assert group_callbacks.settle(broker) == 1
    assert (callbacks().count(), callbacks("acting.say").count()) == (1, 1)
    assert group_callbacks.settle(broker) == 0
    assert not TaskGroup.objects.exclude(waits_for="").exists()


def test_a_retry_by_hand_before_the_end_is_waited_for(broker: LedgerBroker) -> None:
    first, second, third = members(3)
    run([first, second, third])
    end([first], states.FAILED)
    group_callbacks.settle(broker)
    ledger.retry(first.message_id)
    end([second, third], states.COMPLETED)
    assert group_callbacks.settle(broker) == 0
    end([first], states.COMPLETED)
    assert group_callbacks.settle(broker) == 1
    assert told()["completed"] == 3


def test_a_failed_member_is_named_up_to_a_limit(broker: LedgerBroker) -> None:
    messages = members(ledger.FAILED_IDS + 5)
    run(messages)
    end(messages, states.FAILED)
    group_callbacks.settle(broker)
    assert told()["failed"] == len(messages)
    assert told()["failed_ids"] == [message.message_id for message in messages[: ledger.FAILED_IDS]]


# --- Once ----------------------------------------------------------------------------------------


def test_looks_at_the_same_time_call_back_once(broker: LedgerBroker) -> None:
    for _ in range(5):
        messages = members(3)
        run(messages)
        end(messages, states.COMPLETED)
    found: list[int] = []

    def look() -> None:
        try:
            found.append(group_callbacks.settle(broker))
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.append(group_callbacks.settle(broker))
    assert sum(found) == 5
    assert callbacks().count() == 5


def test_a_look_that_dies_before_its_commit_changes_nothing(broker: LedgerBroker, monkeypatch) -> None:
    messages = members(2)
    run(messages)
    end(messages, states.COMPLETED)

    def dies(sends: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("apps.tasks.ledger.groups.record", dies)
        with pytest.raises(KeyboardInterrupt):
            group_callbacks.settle(broker)
    assert group_callbacks.settle(broker) == 1


def test_a_callback_that_was_not_published_is_found_by_the_audit(broker: LedgerBroker, monkeypatch) -> None:
    messages = members(1)
    run(messages)
    end(messages, states.COMPLETED)
    monkeypatch.setattr(group_callbacks, "publish_sends", lambda sends, wire: None)
    assert group_callbacks.settle(broker) == 1
    assert Relay(broker).audit() == 1


def test_a_callback_whose_key_is_locked_holds_up_no_other(broker: LedgerBroker) -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has one writer")
    messages = members(3)
    for message in messages:
        made = group([message])
        made.add_completion_callback(
            tasks.told.message_with_options(unique="x" if message is not messages[2] else "y"), on="finished"
        )
        made.run()
    settled: list[int] = []

    def look(_number: int) -> None:
        settled.append(group_callbacks.settle(broker))

    with transaction.atomic():
        tasks.told.send_with_options(kwargs={"group": {}}, unique="x", delay=600_000)
        at_once(lambda _number: end(messages, "completed"), times=1)
        at_once(look, times=1)
        transaction.set_rollback(True)
    assert settled == [1]
    assert callbacks().get().options == {"unique": '["acting.told","y"]'}
    look(0)
    assert settled == [1, 1], "both groups have the task of one key"
    assert callbacks().count() == 2
    assert not TaskGroup.objects.exclude(waits_for="").exists()


def test_two_groups_at_once_do_not_mix(broker: LedgerBroker) -> None:
    first, second = members(3), members(2)
    one, other = run(first), run(second)
    end(second, states.COMPLETED)
    assert group_callbacks.settle(broker) == 1
    assert told()["key"] == other.key
    assert progress_of(one.key).waiting == 3  # type: ignore[union-attr]


# --- Sending -------------------------------------------------------------------------------------


def test_a_group_is_sent_whole_or_not_at_all(broker: LedgerBroker) -> None:
    bad = tasks.add.message("text")  # type: ignore[call-arg,arg-type]
    with pytest.raises(BadArgumentsError):
        run([*members(2), bad])
    with pytest.raises(RuntimeError), transaction.atomic():
        run(members(2))
        raise RuntimeError
    assert not TaskStatus.objects.exists()
    assert not TaskGroup.objects.exists()
    assert not TaskGroupMember.objects.exists()


@pytest.mark.parametrize("on", ["sucess", "", None, "failure", True])
def test_another_end_is_refused_with_the_valid_ones(broker: LedgerBroker, on) -> None:
    with pytest.raises(GroupError, match="must be one of: 'success', 'finished'"):
        dramatiq.group(members(1)).add_completion_callback(tasks.told.message(), on=on)  # type: ignore[call-arg]


def test_another_broker_calls_back_on_success_alone() -> None:
    made = group([], broker=StubBroker())
    made.add_completion_callback(tasks.told.message())
    with pytest.raises(GroupError, match="needs the middleware"):
        made.add_completion_callback(tasks.told.message(), on="finished")


def test_a_callback_that_another_version_wrote_holds_up_no_other(broker: LedgerBroker) -> None:
    for _ in range(2):
        run([])
    TaskGroup.objects.filter(pk=TaskGroup.objects.first().pk).update(  # type: ignore[union-attr]
        callbacks=[{"on": "finished", "message": {"nonsense": 1}}]
    )
    assert group_callbacks.settle(broker) == 1
    assert callbacks().count() == 1


def test_a_callback_that_cannot_be_called_is_refused_when_it_is_added(broker: LedgerBroker) -> None:
    made = group(members(1))
    with pytest.raises(BadArgumentsError, match="group"):
        made.add_completion_callback(tasks.add.message(1, 2), on="finished")
    with pytest.raises(BadArgumentsError, match="missing"):
        made.add_completion_callback(tasks.add.message())  # type: ignore[call-arg]
    with pytest.raises(BadArgumentsError, match="object"):
        made.add_completion_callback(tasks.say.message(object()))


def test_a_message_calls_back_for_one_end(broker: LedgerBroker) -> None:
    made, message = group(members(1)), tasks.told.message()
    made.add_completion_callback(message, on="finished")
    with pytest.raises(GroupError, match="is a callback of this group already"):
        made.add_completion_callback(message)


def test_a_delay_is_the_longer_of_the_groups_and_the_members(broker: LedgerBroker) -> None:
    short = tasks.say.message_with_options(args=("short",), delay=1_000)
    longer = tasks.say.message_with_options(args=("long",), delay=7_200_000)
    run([short, longer, tasks.say.message("none") | tasks.say.message_with_options(delay=5)], delay=3_600_000)
    rows = TaskStatus.objects.order_by("run_at")
    delays = [round((row.run_at - row.created_at) / timedelta(hours=1)) for row in rows]
    assert (delays, [row.delayed for row in rows]) == ([1, 1, 2], [True] * 3)


def test_a_group_in_a_group_counts_its_members_and_calls_back_itself(broker: LedgerBroker) -> None:
    outer, inner = members(2), members(2)
    nested = group(inner)
    nested.add_completion_callback(tasks.say.message("inner"))
    made = run([*outer, nested])
    assert progress_of(made.key).total == 4  # type: ignore[union-attr]
    end(inner, states.COMPLETED)
    assert group_callbacks.settle(broker) == 1
    assert progress_of(nested.key).completed == 2  # type: ignore[union-attr]
    assert not callbacks().exists()
    end(outer, states.COMPLETED)
    assert group_callbacks.settle(broker) == 1
    assert told()["completed"] == 4


def test_the_callback_belongs_to_the_owner_of_all_members(broker: LedgerBroker) -> None:
    owner, other = (get_user_model().objects.create_user(name) for name in ("jane", "emily"))
    owned = [tasks.say.message_with_options(args=(1,), owner_id=owner.pk) for _ in range(2)]
    run(owned)
    end(owned, states.COMPLETED)
    group_callbacks.settle(broker)
    assert callbacks().get().owner == owner
    mixed = [tasks.say.message_with_options(args=(1,), owner_id=user.pk) for user in (owner, other)]
    run(mixed)
    end(mixed, states.COMPLETED)
    group_callbacks.settle(broker)
    assert callbacks().order_by("pk").last().owner is None


def test_the_progress_of_an_unknown_group_is_none() -> None:
    assert progress_of("unknown") is None
    assert progress_of(None) is None


# --- Cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_reversed", [False, True], ids=["in order", "reversed"])
def test_a_large_group_takes_few_statements_and_the_same_for_each_end(broker: LedgerBroker, is_reversed) -> None:
    messages = members(3_000)
    with CaptureQueriesContext(connection) as sent:
        made = run(messages)
    assert connection.vendor == "sqlite" or len(sent) < 20
    asked: list[int] = []
    for start in range(0, 3_000, 500):
        batch = (messages[::-1] if is_reversed else messages)[start : start + 500]
        end(batch, states.COMPLETED)
        with CaptureQueriesContext(connection) as looked:
            group_callbacks.settle(broker, [message.message_id for message in batch])
        asked.append(len(looked))
    assert len(set(asked[:-1])) == 1
    assert is_reversed or asked[0] == 1
    with CaptureQueriesContext(connection) as queries:
        assert progress_of(made.key).completed == 3_000  # type: ignore[union-attr]
    assert len(queries) == 1
    assert callbacks().count() == 1


def test_a_look_without_an_end_is_one_statement(broker: LedgerBroker) -> None:
    messages = members(3)
    run(messages)
    end(messages[:-1], states.COMPLETED)
    with CaptureQueriesContext(connection) as queries:
        group_callbacks.settle(broker, [messages[1].message_id])
        group_callbacks.settle(broker)
    assert len(queries) == 2


# --- Old rows ------------------------------------------------------------------------------------


def test_groups_are_deleted_a_while_after_their_end(broker: LedgerBroker) -> None:
    messages = members(2)
    run(messages)
    end(messages, states.FAILED)
    group_callbacks.settle(broker)
    waiting = run(members(1))
    assert ledger.forget_groups(older_than=timedelta(hours=1)) == 0
    assert ledger.forget_groups(older_than=timedelta(0)) == 1
    assert TaskGroup.objects.get().key == waiting.key
    assert TaskGroupMember.objects.count() == 1
    assert presence.living() == []


def test_the_ledger_opens_a_group_of_given_tasks() -> None:
    ledger.record([Send(task_id="a", task_name="x", queue_name="default")])
    ledger.open_group("g", members=[["a"]])
    assert ledger.settle_groups(lambda message, named: None) == ()
    assert TaskGroup.objects.get().waits_for == "a"


# --- What is no group ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [dramatiq.group, group], ids=["dramatiq", "ours"])
@pytest.mark.parametrize(
    ("children", "told"),
    [
        (lambda: (tasks.say.message("a"), tasks.say.message("b")), r"made of one list: group\(\["),
        (lambda: (tasks.say.message("a"),), "made of one list"),
        (lambda: (), "made of one list"),
        (lambda: ("acting.say",), "made of one list"),
        (lambda: ([tasks.say],), r"is the actor acting.say, must be a message: say.message\(...\)"),
        (lambda: (["acting.say"],), "is of type str, must be a message"),
        (lambda: ([dramatiq.pipeline([])],), "a pipeline without messages"),
    ],
)
def test_what_is_no_member_is_refused_when_the_group_is_made(broker, make, children, told) -> None:
    with pytest.raises(GroupError, match=told):
        make(*children())


def test_a_callback_that_is_no_message_is_refused() -> None:
    made = group(iter([tasks.say.message("a")]))
    for wrong, told in ((tasks.told, r"the actor acting.told, .*: told.message"), ("acting.told", "of type str")):
        with pytest.raises(GroupError, match=told):
            made.add_completion_callback(wrong)  # type: ignore[arg-type]
    assert len(made) == 1


def test_the_delay_of_a_group_is_a_timedelta_or_milliseconds(broker) -> None:
    own = tasks.say.message_with_options(args=("a",), delay=5)
    group([own, tasks.say.message("b")]).run(delay=timedelta(hours=1))
    for row in TaskStatus.objects.all():
        assert row.run_at - row.created_at > timedelta(minutes=59)
    for wrong in ("soon", -1, timedelta(seconds=-1)):
        with pytest.raises(BadArgumentsError, match="the delay for a group is"):
            group([tasks.say.message("c")]).run(delay=wrong)  # type: ignore[arg-type]
    assert TaskStatus.objects.count() == 2
