"""The admin's pages of limits."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.tasks import ledger
from apps.tasks.limits import declared
from apps.tasks.models import Limit, LimitedStart
from apps.tasks.values import Send
from tests.pages import get, statements

#: Pages and forms are the same on every database. `tests/access/test_databases.py` opens every page on the second.
pytestmark = [pytest.mark.once, pytest.mark.django_db]

LIMITS = reverse("admin:tasks_limit_changelist")
NAME = "acting.limited"


@pytest.fixture(autouse=True)
def _none_of_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the limits of the actors of this process."""
    monkeypatch.setattr(declared, "by_actor", {})


def limit(name: str = NAME, **values) -> Limit:
    given = {f"declared_{key}": value for key, value in values.items() if key in ("concurrency", "rate_limit")}
    return Limit.objects.create(task_name=name, **{**given, **values})


def send(count: int, *, line: str = "") -> None:
    ledger.record(
        Send(task_id=str(uuid.uuid4()), task_name=NAME, queue_name="default", line=line) for _ in range(count)
    )


def test_an_empty_list_says_how_to_declare_a_limit(admin_client: Client) -> None:
    text = get(admin_client, LIMITS).text
    assert "No limits yet" in text
    assert "concurrency=3" in text


def test_a_limit_is_shown_with_its_places_and_the_tasks_that_wait(admin_client: Client) -> None:
    row = limit(concurrency=2, rate_limit="10/m")
    send(5)
    ledger.admit(NAME, threads=4)
    LimitedStart.objects.create(task_name=NAME, line="", weight=3, started_at=timezone.now())
    for address in (LIMITS, reverse("admin:tasks_limit_change", args=[row.pk])):
        text = get(admin_client, address).text
        for expected in (NAME, "2 of 2", "3 of 10/m", "3 tasks", "not in this code"):
            assert expected in text, (address, expected)


def test_lines_are_counted(admin_client: Client) -> None:
    limit(concurrency=1)
    for line in "abc":
        send(2, line=line)
    assert "6 tasks in 3 lines" in get(admin_client, LIMITS).text


def test_staff_change_a_limit_and_the_page_says_what_was_declared(admin_client: Client) -> None:
    row = limit(concurrency=2, rate_limit="10/m")
    page = reverse("admin:tasks_limit_change", args=[row.pk])
    response = admin_client.post(page, {"concurrency": "0", "rate_limit": ""})
    assert response.status_code == 302
    row.refresh_from_db()
    assert (row.concurrency, row.rate_limit, row.declared_concurrency) == (0, "", 2)
    declared.declare(NAME, {"concurrency": 2, "rate_limit": "10/m"})
    text = get(admin_client, LIMITS).text
    assert "changed In the code: concurrency 2, rate 10/m" in text
    assert "0, no more are started" in text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"concurrency": "-1"}, "greater than or equal to 0"),
        ({"concurrency": "many"}, "whole number"),
        ({"concurrency": "100001"}, "less than or equal to 100000"),
        ({"rate_limit": "10 per"}, "&#x27;10 per&#x27; is no rate"),
    ],
)
def test_a_bad_limit_is_refused_on_the_page(admin_client: Client, values: dict[str, str], told: str) -> None:
    row = limit(concurrency=2)
    page = reverse("admin:tasks_limit_change", args=[row.pk])
    response = admin_client.post(page, {"concurrency": "2", "rate_limit": "", **values})
    assert response.status_code == 200
    html = response.content.decode()
    assert told in html
    # The figures are those of the row.
    assert "0 of 2" in html
    row.refresh_from_db()
    assert row.concurrency == 2


def test_limits_are_declared_in_the_code_and_not_added_here(admin_client: Client) -> None:
    row = limit(concurrency=2)
    assert admin_client.get(reverse("admin:tasks_limit_add")).status_code == 403
    delete = reverse("admin:tasks_limit_delete", args=[row.pk])
    declared.declare(NAME, {"concurrency": 2})
    assert admin_client.get(delete).status_code == 403
    declared.declare(NAME, {})
    assert admin_client.get(delete).status_code == 200


def test_a_list_of_limits_reads_each_figure_once(admin_client: Client) -> None:
    limit("a", concurrency=1, rate_limit="5/s")
    with_one = len(statements(admin_client, LIMITS))
    limit("b", concurrency=1, rate_limit="5/s")
    assert len(statements(admin_client, LIMITS)) <= with_one + 7


def test_a_rate_that_cannot_be_read_is_shown_as_it_is(admin_client: Client) -> None:
    """Another program wrote it."""
    row = limit()
    Limit.objects.filter(pk=row.pk).update(rate_limit="10 per")
    for address in (LIMITS, reverse("admin:tasks_limit_change", args=[row.pk])):
        assert "10 per" in admin_client.get(address).content.decode()
