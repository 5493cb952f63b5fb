"""JSON columns of tasks give back what was written, and queries can look into them."""

import json
from typing import Any

import pytest

from apps.tasks.models import TaskStatus
from tests import rows

pytestmark = pytest.mark.django_db

#: Values that `jsonb` would give back in another order or spelling.
WRITTEN: list[Any] = [
    {"Title": 1, "Id": 2, "Author": 3},
    {"weight": 1e17},
    {"zero": -0.0, "one": 1.0, "tiny": 5e-324},
    {"count": 10**30},
    {"nested": [{"long name": 1, "b": [True, None, "é"]}]},
]


@pytest.mark.parametrize("value", WRITTEN, ids=str)
def test_json_comes_back_as_it_was_written(value: Any) -> None:
    task = rows.task(kwargs=value, args=[value], result=value)
    found = TaskStatus.objects.get(pk=task.pk)
    assert json.dumps(found.kwargs) == json.dumps(value)
    assert json.dumps(found.args) == json.dumps([value])
    assert json.dumps(found.result) == json.dumps(value)


@pytest.mark.parametrize("value", ["text", 0, False, 1.5, [], {}, [None]], ids=repr)
def test_any_result_comes_back(value: Any) -> None:
    assert TaskStatus.objects.get(pk=rows.task(result=value).pk).result == value


def test_no_result_is_null() -> None:
    task = rows.task(result=None)
    assert TaskStatus.objects.filter(pk=task.pk, result__isnull=True).exists()


@pytest.mark.parametrize(
    "lookup",
    [
        {"kwargs": {"document_id": 7, "title": "Emma"}},
        {"kwargs__document_id": 7},
        {"kwargs__document_id__gt": 6},
        {"kwargs__title__icontains": "emm"},
        {"kwargs__title__in": ["Emma", "Persuasion"]},
        {"kwargs__has_key": "title"},
        {"kwargs__has_keys": ["title", "document_id"]},
        {"args__0": 7},
        {"args__1__chapters__0": "one"},
        {"args": [7, {"chapters": ["one"]}]},
        {"result__isnull": False},
    ],
    ids=str,
)
def test_a_query_looks_into_json(lookup: dict[str, Any]) -> None:
    task = rows.task(args=[7, {"chapters": ["one"]}], kwargs={"document_id": 7, "title": "Emma"}, result={"words": 1})
    other = rows.task(args=[8], kwargs={"other": 1})
    found = TaskStatus.objects.filter(pk__in=[task.pk, other.pk])
    assert list(found.filter(**lookup)) == [task]
    assert list(found.exclude(**lookup)) in ([other], [])


def test_the_value_of_a_key_can_be_selected() -> None:
    task = rows.task(kwargs={"title": "Emma", "parts": [1, 2.0]})
    values = TaskStatus.objects.filter(pk=task.pk).values_list("kwargs__title", "kwargs__parts", "kwargs__none")
    assert list(values) == [("Emma", [1, 2.0], None)]
