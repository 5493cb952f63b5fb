"""Results and exceptions on their way from a child to its worker process."""

import math
from typing import Any

import dramatiq
import pytest
from django.db import IntegrityError

from apps.tasks.errors import Snooze
from apps.tasks.json_safe import json_safe
from workers.isolation.message import pack_exception, pack_result, unpack_exception, unpack_result


class PageError(Exception):
    """An error whose class takes other arguments than it keeps."""

    def __init__(self, *, page: int, torn: bool = True) -> None:
        super().__init__(f"page {page}")
        self.page, self.torn = page, torn


class LockedError(PageError):
    """It has a part that no pickle carries."""

    def __init__(self) -> None:
        super().__init__(page=1)
        self.made = lambda: None


class StubbornError(Exception):
    """It cannot be made at all."""

    def __new__(cls, *args: Any) -> "StubbornError":
        if args != ("right",):
            raise RuntimeError("never")
        return super().__new__(cls)

    def __reduce__(self) -> Any:
        raise RuntimeError("never")


def carried(exception: BaseException) -> BaseException:
    return unpack_exception(pack_exception(exception))


@pytest.mark.parametrize(
    "exception",
    [ValueError("wrong", 3), KeyError("isbn"), OSError(2, "No such file", "a.txt"), SystemExit(3), IntegrityError("x")],
)
def test_a_usual_exception_is_carried_as_it_is(exception: BaseException) -> None:
    found = carried(exception)
    assert (type(found), found.args, str(found)) == (type(exception), exception.args, str(exception))


def test_a_unicode_error_keeps_its_fields() -> None:
    found = carried(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
    assert isinstance(found, UnicodeDecodeError)
    assert found.object == b"\xff"


def test_a_class_with_arguments_of_its_own_is_made_without_them() -> None:
    found = carried(PageError(page=7))
    assert isinstance(found, PageError)
    assert (found.page, found.torn, str(found)) == (7, True, "page 7")


def test_parts_that_no_pickle_carries_are_left_out() -> None:
    found = carried(LockedError())
    assert isinstance(found, LockedError)
    assert (found.page, hasattr(found, "made")) == (1, False)


def test_a_local_class_becomes_its_nearest_known_parent() -> None:
    class TornError(PageError):
        pass

    found = carried(TornError(page=2))
    assert (type(found), str(found)) == (PageError, "page 2")


def test_an_exception_that_cannot_be_made_becomes_one_with_its_text() -> None:
    stubborn = StubbornError("right")
    assert isinstance(carried(stubborn), StubbornError)
    stubborn.args = ("wrong",)
    found = carried(stubborn)
    assert (type(found), str(found)) == (Exception, "wrong")


def test_the_errors_that_retries_ask_are_carried() -> None:
    again = carried(dramatiq.errors.Retry("not yet", delay=100))
    assert isinstance(again, dramatiq.errors.Retry)
    assert again.delay == 100
    snooze = carried(Snooze(delay=250))
    assert isinstance(snooze, Snooze)
    assert snooze.delay_ms == 250


@pytest.mark.parametrize("result", [None, 1, "a\x00b", [1, {"a": (2, 3)}], b"bytes", {1, 2}])
def test_a_result_is_carried_as_it_is(result: Any) -> None:
    assert unpack_result(pack_result(result)) == result


def test_a_result_that_no_pickle_carries_is_no_json_either() -> None:
    with pytest.raises(TypeError, match="Object of type function is not JSON serializable"):
        json_safe(unpack_result(pack_result([lambda: None][0])))
    assert math.isnan(unpack_result(pack_result(math.nan)))
