"""Limits as they are declared: valid forms, and clear errors for all others."""

import re
from typing import Any

import pytest

from apps.tasks.errors import BadArgumentsError
from apps.tasks.limits import declared, stored
from apps.tasks.limits.declared import BadLimitError, Limits
from apps.tasks.limits.rate import BadRateError, Rate
from apps.tasks.models import Limit


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", (10, 1_000)),
        ("10/m", (10, 60_000)),
        ("1000/h", (1_000, 3_600_000)),
        ("5000/d", (5_000, 86_400_000)),
        ("5/30s", (5, 30_000)),
        ("1/15m", (1, 900_000)),
    ],
)
def test_a_rate_is_a_number_and_a_time(text: str, rate: tuple[int, int]) -> None:
    assert Rate.of(text) == rate


@pytest.mark.once
@pytest.mark.parametrize(
    "text",
    ["10 per", "10", "/m", "10/", "0/m", "-1/m", "10/0s", "1.5/s", "10/w", "10 / m", "10/m ", "", None, 10, "200000/s",
     "10/8d", "10/٣s", ["10/m"]],
)  # fmt: skip
def test_a_bad_rate_is_named_with_the_valid_forms(text: Any) -> None:
    with pytest.raises(BadRateError, match=re.escape(repr(text)) + ".*'10/s'"):
        Rate.of(text)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"concurrency": 0}, "concurrency=0, must be a whole number from 1"),
        ({"concurrency": -3}, "concurrency=-3"),
        ({"concurrency": True}, "concurrency=True"),
        ({"concurrency": "3"}, "concurrency='3'"),
        ({"concurrency": 2.0}, "concurrency=2.0"),
        ({"rate_limit": "10 per"}, "rate_limit='10 per', must be a number of tasks and a time in s, m, h or d"),
        ({"rate_limit": 10}, "rate_limit=10, must be a number of tasks"),
        ({"concurrency": 3, "limit_key": "document_id"}, "limit_key='document_id', must be a function"),
        ({"fair_by": 3}, "fair_by=3, must be a function"),
        ({"limit_key": len}, "nothing to limit"),
        ({"weight": 2}, "nothing to limit"),
        ({"weight": 2, "fair_by": len}, "nothing to limit"),
        ({"concurrency": 3, "limit_key": len, "fair_by": len}, "limit_key and fair_by"),
        ({"concurrency": 3, "weight": 0}, "weight=0"),
        ({"concurrency": 3, "weight": 4}, "weight=4, must be at most 3"),
        ({"rate_limit": "2/m", "weight": 3}, "weight=3, must be at most 2"),
    ],
)
def test_a_bad_limit_is_refused_when_the_actor_is_declared(options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadLimitError, match=re.escape(told)):
        Limits.of("acting.some", options)


@pytest.mark.once
def test_an_actor_without_these_options_has_no_limit() -> None:
    assert Limits.of("acting.some", {"max_retries": 3}) is None


@pytest.fixture
def limited(request: pytest.FixtureRequest) -> Any:
    """Declare limits for an actor that exists by name only."""

    def limited(**options: Any) -> str:
        declared.declare("acting.limited", options)
        return "acting.limited"

    yield limited
    declared.declare("acting.limited", {})


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "args", "place"),
    [
        ({"concurrency": 3}, (1,), ("", 1)),
        ({"concurrency": 3, "limit_key": lambda document_id: document_id}, (12,), ("12", 1)),
        ({"concurrency": 3, "limit_key": lambda name: f"name {name}"}, ("x",), ("name x", 1)),
        ({"rate_limit": "9/s", "limit_key": "owner"}, (1,), ("7", 1)),
        ({"fair_by": "owner"}, (1,), ("7", 1)),
        ({"concurrency": 9, "weight": lambda pages: pages}, (4,), ("", 4)),
    ],
)
def test_the_arguments_say_the_line_and_the_weight(limited: Any, options: Any, args: Any, place: Any) -> None:
    assert declared.place_of(limited(**options), args, {}, owner_id=7) == place


@pytest.mark.once
def test_tasks_without_an_owner_share_a_line(limited: Any) -> None:
    assert declared.place_of(limited(fair_by="owner"), (), {}, owner_id=None) == ("", 1)


def _raise(*args: Any) -> Any:
    raise KeyError("secret")


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"limit_key": lambda x: [x]}, "the limit_key of acting.limited returned '***', must be a whole number or"),
        ({"limit_key": lambda x: None}, "returned '***'"),
        ({"limit_key": lambda x: True}, "returned '***'"),
        ({"limit_key": lambda x: 1.5}, "returned '***'"),
        ({"limit_key": lambda x: "a\0b"}, "returned '***'"),
        ({"limit_key": lambda x: "x" * 256}, "at most 255 characters"),
        ({"limit_key": _raise}, "the limit_key of acting.limited failed: KeyError."),
        ({"limit_key": lambda: 1}, "failed: TypeError. It is called with the arguments of the task."),
        ({"weight": lambda x: 0}, "the weight for acting.limited is 0"),
        ({"weight": lambda x: 4}, "must be a whole number from 1 to 3"),
        ({"weight": _raise}, "the weight of acting.limited failed: KeyError."),
    ],
)
def test_a_bad_key_or_weight_is_refused_in_the_caller(limited: Any, options: Any, told: str) -> None:
    """The broker does not know this actor, so that any of its values may be a secret."""
    with pytest.raises(BadArgumentsError, match=re.escape(told)):
        declared.place_of(limited(concurrency=3, **options), (1,), {}, owner_id=None)


@pytest.mark.once
def test_a_weight_is_refused_for_an_actor_without_a_limit() -> None:
    with pytest.raises(BadArgumentsError, match="no concurrency and no rate_limit"):
        declared.place_of("acting.unlimited", (), {}, owner_id=None, weight=2)


@pytest.mark.django_db
def test_a_declared_limit_gets_a_row_and_follows_the_code(limited: Any) -> None:
    limited(concurrency=3, rate_limit="10/m")
    stored.update()
    row = Limit.objects.get(task_name="acting.limited")
    assert (row.concurrency, row.rate_limit, row.is_overridden) == (3, "10/m", False)
    limited(concurrency=4)
    stored.update()
    row.refresh_from_db()
    assert (row.concurrency, row.rate_limit, row.is_overridden) == (4, "", False)


@pytest.mark.django_db
def test_a_limit_that_staff_changed_stays_changed(limited: Any) -> None:
    limited(concurrency=3)
    stored.update()
    Limit.objects.filter(task_name="acting.limited").update(concurrency=1)
    limited(concurrency=4)
    stored.update()
    row = Limit.objects.get(task_name="acting.limited")
    assert (row.concurrency, row.declared_concurrency, row.is_overridden) == (1, 4, True)


@pytest.mark.django_db
def test_the_limit_of_an_actor_of_other_code_is_left_alone() -> None:
    Limit.objects.create(task_name="other.version", concurrency=3, declared_concurrency=3)
    stored.update()
    assert Limit.objects.filter(task_name="other.version").exists()


@pytest.mark.django_db
def test_the_limit_of_an_actor_that_has_none_in_this_code_stays() -> None:
    """Other code that has it may run at the same time."""
    Limit.objects.create(task_name="acting.effect", concurrency=3, declared_concurrency=3)
    stored.update()
    assert Limit.objects.filter(task_name="acting.effect", concurrency=3).exists()
