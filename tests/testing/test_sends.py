"""`sent`, `assert_sent`, `refute_sent` and `perform`."""

from typing import Any
from unittest import mock

import pytest
from dramatiq.middleware import CurrentMessage

from apps.tasks.errors import BadArgumentsError
from tests.acting import tasks as acting
from workers.testing import MisuseError, assert_sent, perform, refute_sent, sent

pytestmark = pytest.mark.django_db


def test_a_task_is_found_by_some_of_its_arguments_however_they_were_given() -> None:
    acting.add.send(1, right=2)
    assert assert_sent(acting.add).args == [1]
    for args, kwargs in [((1,), {}), ((1, 2), {}), ((), {"left": 1}), ((), {"right": 2}), ((mock.ANY, 2), {})]:
        assert len(sent(acting.add, *args, **kwargs)) == 1
    assert sent(acting.add, 2) == []
    refute_sent(acting.add, right=3)
    with pytest.raises(AssertionError, match=r"^acting\.add was sent\."):
        refute_sent(acting.add)
    refute_sent(acting.say)


def test_values_are_compared_as_json_carries_them() -> None:
    acting.say.send([1, 2])
    assert_sent(acting.say, (1, 2))


def test_the_last_of_several_is_returned() -> None:
    first, last = acting.say.send("a"), acting.say.send("a")
    assert assert_sent(acting.say, "a").task_id == last.message_id
    assert [row.task_id for row in sent()] == [first.message_id, last.message_id]


def test_an_error_lists_what_was_sent() -> None:
    with pytest.raises(AssertionError, match=r"acting\.add\(1\) was not sent\. No task was sent\."):
        assert_sent(acting.add, 1)
    acting.add.send(2, right=3)
    with pytest.raises(AssertionError, match=r"was not sent\. Sent \(1\): acting\.add\(2, right=3\)"):
        assert_sent(acting.add, 1)
    with pytest.raises(AssertionError, match=r"acting\.add\(right=3\) was sent\."):
        refute_sent(acting.add, right=3)


@pytest.mark.parametrize("function", [sent, assert_sent, refute_sent])
def test_a_parameter_that_the_actor_has_not_is_refused(function: Any) -> None:
    with pytest.raises(MisuseError, match=r"acting\.add\(left: int, right: int\) -> int cannot have these arguments"):
        function(acting.add, wrong=3)


@pytest.mark.parametrize("function", [sent, assert_sent, refute_sent, perform])
def test_what_is_no_actor_is_refused(function: Any) -> None:
    with pytest.raises(MisuseError, match="must be an actor"):
        function(acting.add.fn)


def test_perform_passes_what_json_carries() -> None:
    assert perform(acting.say, (1, 2)) == [1, 2]
    assert perform(acting.add, 1, right=2) == 3
    assert sent() == []


def test_perform_runs_an_async_actor() -> None:
    assert perform(acting.hello, "Jane")


def test_perform_raises_what_the_actor_raises_and_what_a_send_would() -> None:
    with pytest.raises(KeyError):
        perform(acting.expected)
    with pytest.raises(BadArgumentsError):
        perform(acting.add, 1)
    with pytest.raises(BadArgumentsError):
        perform(acting.say, object())
    with pytest.raises(TypeError, match=r"acting\.say_odd returned what JSON cannot carry"):
        perform(acting.say_odd, "object")


def test_perform_has_a_message() -> None:
    assert perform(acting.fail_times, 0) == 0
    assert CurrentMessage.get_current_message() is None
