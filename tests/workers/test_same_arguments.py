"""A task gets the same arguments at its first run, at a retry, after a delay, a rescue and a retry by hand."""

import json
from collections import OrderedDict
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import pytest

from apps.tasks import ledger
from apps.tasks.models import TaskAttempt, TaskStatus
from tests.acting import tasks

pytestmark = [pytest.mark.django_db(transaction=True)]


class Size(IntEnum):
    LARGE = 3


class Colour(StrEnum):
    RED = "red"


class Number(int):
    def __repr__(self) -> str:
        return "not a number"


class Pair(NamedTuple):
    first: int
    second: int


VALUES = [
    {"Title": 1, "Author": 2, "Id": 3, "": 4},
    OrderedDict(zzz=1, a=2),
    1e17,
    1.0,
    -0.0,
    1e-7,
    1e300,
    10**17,
    2**63,
    -(10**400),
    (1, (2,)),
    Pair(1, 2),
    [],
    {},
    "\N{SNOWMAN} \U0001f600 \\u0041 \x7f \u2028",
    Size.LARGE,
    Colour.RED,
    Number(7),
    True,
    None,
    {"a": {"b": [1.0, {"z": 1, "y": 2}]}},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {str(value)[:20]!r}")
def test_arguments_are_the_same_however_often_and_late_the_task_runs(value: Any, broker, request, ended) -> None:
    called: dict[str, Any] = {"args": (value,), "kwargs": {"zeta": value, "alpha": value}}
    at_once = tasks.see_twice.send_with_options(**called)
    delayed = tasks.see_twice.send_with_options(**called, delay=20)
    several = [tasks.see_twice.message_with_options(**called) for _ in range(2)]
    broker.send_many(several)
    request.getfixturevalue("working")
    results = [ended(one).result for one in (at_once, delayed, *several)]
    TaskStatus.objects.filter(task_id=at_once.message_id).update(status="failed")
    assert ledger.retry(at_once.message_id)
    results.append(ended(at_once).result)
    first_runs = list(TaskAttempt.objects.values_list("error_message", flat=True))
    plain = json.loads(json.dumps(value))
    assert results == [repr((plain, {"zeta": plain, "alpha": plain}))] * 5
    assert first_runs == results
