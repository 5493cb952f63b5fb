"""A send is refused in the caller if its row could not be written, or not be read back."""

import uuid
from typing import Any

import dramatiq
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.tasks.errors import BadArgumentsError
from apps.tasks.models import TaskStatus
from tests.acting import tasks

pytestmark = pytest.mark.django_db(transaction=True)

TEN_YEARS_MS = 10 * 365 * 24 * 60 * 60 * 1000
ODD_NUMBERS = [
    -1,
    TEN_YEARS_MS + 1,
    1_764_000_000_000_000,
    10**5_000,
    1.5,
    float("nan"),
    float("inf"),
    "1000",
    True,
    [1],
]
NUMBERS = ["delay", "max_age", "max_retries", "min_backoff", "max_backoff", "time_limit"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ODD_NUMBERS, ids=range(len(ODD_NUMBERS)))
def test_a_number_that_is_no_time_is_refused_by_name_and_limit(broker, name: str, value: Any) -> None:
    with pytest.raises(BadArgumentsError, match=rf"{name}.* must be a whole number from 0 to 315,360,000,000"):
        tasks.effect.send_with_options(args=("n",), **{name: value})
    assert not TaskStatus.objects.exists()


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, 1, TEN_YEARS_MS])
def test_the_limits_themselves_are_accepted_and_shown(broker, name: str, value: int) -> None:
    staff = get_user_model().objects.create_superuser("staff")
    message = tasks.effect.send_with_options(args=("n",), delay=TEN_YEARS_MS, max_age=TEN_YEARS_MS)
    options: dict[str, Any] = {name: value}
    tasks.effect.send_with_options(args=("n",), **options)
    client = Client()
    client.force_login(staff)
    for url in ("/admin/tasks/taskstatus/", "/api/tasks/", f"/api/tasks/{message.message_id}/"):
        assert client.get(url).status_code == 200, url


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_of_what_follows_a_task_is_refused_in_the_caller(broker, name: str) -> None:
    odd: dict[str, Any] = {name: 1_764_000_000_000_000}
    last = tasks.say.message_with_options(args=("c",)).copy(options=odd)
    with pytest.raises(BadArgumentsError, match=rf"{name}.* must be a whole number"):
        tasks.say.message_with_options(args=(), **odd)
    pipe = tasks.say.message("a") | tasks.say.message_with_options() | last
    group = dramatiq.group([tasks.say.message("a"), tasks.say.message("b")])
    with pytest.raises(BadArgumentsError, match=rf"'{name}' of a message that follows .* must be a whole number"):
        pipe.run()
    with pytest.raises(BadArgumentsError, match=rf"{name}.* must be a whole number"):
        group.add_completion_callback(last)
    assert not TaskStatus.objects.exists()


@pytest.mark.parametrize(
    "value",
    [10**4_300, -(10**5_000), [[10**5_000]], {"a": 10**5_000}, float("inf"), float("-inf"), float("nan"), 1e308 * 10],
    ids=range(8),
)
def test_a_number_that_json_does_not_give_back_is_refused(broker, value: Any) -> None:
    for call in ({"args": (value,)}, {"kwargs": {"nonce": value}}):
        with pytest.raises(BadArgumentsError, match=r"JSON does not|not give back"):
            tasks.effect.send_with_options(**call)
    with pytest.raises(BadArgumentsError):
        tasks.effect.send_with_options(args=("n",), pipe_target={"kwargs": {"value": value}})
    assert not TaskStatus.objects.exists()


@pytest.mark.parametrize("task_id", ["", "x" * 256, "a\x00b", "\ud800", 5, None], ids=repr)
def test_a_message_id_that_no_column_holds_is_refused(broker, task_id: Any) -> None:
    with pytest.raises(BadArgumentsError, match="must be a text of 1 to 255 characters"):
        broker.enqueue(tasks.effect.message("n").copy(message_id=task_id))
    with pytest.raises(BadArgumentsError):
        broker.send_many([tasks.effect.message("n"), tasks.effect.message("n").copy(message_id=task_id)])
    assert not TaskStatus.objects.exists()


def test_a_message_id_of_the_callers_own_runs(broker, request, ended) -> None:
    messages = [tasks.add.message(1, 2).copy(message_id=own) for own in ("x" * 255, "with:colon:0", "ü\n\"'\\", "7")]
    for message in messages:
        broker.enqueue(message)
    request.getfixturevalue("working")
    assert [ended(message).result for message in messages] == [3] * 4


@pytest.mark.parametrize("owner_id", [2**63, -(2**70), 10**5_000, "9" * 30], ids=range(4))
def test_an_owner_out_of_the_columns_range_is_refused(broker, owner_id: Any) -> None:
    with pytest.raises(BadArgumentsError, match="owner_id is"):
        tasks.effect.send_with_options(args=("n",), owner_id=owner_id)


def test_an_object_out_of_the_columns_range_is_refused(broker) -> None:
    from apps.documents.tasks import process_document

    for number in (2**63, -(2**63) - 1):
        with pytest.raises(BadArgumentsError, match=r"is out of range for the id of a documents\.Document"):
            process_document.send(number)


def test_a_priority_and_names_that_no_column_holds_are_refused(broker, monkeypatch) -> None:
    for priority in (2**31, -(2**31) - 1, 1.5):
        monkeypatch.setattr(tasks.effect, "priority", priority)
        with pytest.raises(BadArgumentsError, match=r"the priority of acting\.effect is"):
            tasks.effect.send("n")
    monkeypatch.undo()
    with pytest.raises(BadArgumentsError, match="the name of the queue"):
        broker.enqueue(tasks.effect.message("n").copy(queue_name="q" * 101, message_id=str(uuid.uuid4())))
    with pytest.raises(BadArgumentsError, match="the name of the queue is 'default:5', must have no colon"):
        broker.enqueue(tasks.effect.message("n").copy(queue_name="default:5"))
