"""The page Audit: all acts of people, on tasks and on queues."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.tasks import audit
from tests import rows
from tests.pages import get

pytestmark = [pytest.mark.once, pytest.mark.django_db]

LIST = reverse("admin:tasks_auditentry_changelist")
ROSA = audit.By(name="rosa", door=audit.API)
SCRIPT = "<script>alert(1)</script>"


def test_an_empty_audit_says_what_will_be_there(admin_client: Client) -> None:
    assert "Nothing was done yet" in get(admin_client, LIST).text


def test_each_act_has_its_person_its_object_and_its_reason(admin_client: Client) -> None:
    task = rows.task("shop.pay")
    audit.note("priority", by=ROSA, row_ids=[task.pk], value="-5", reason="The editor waits.")
    audit.note("pause", by=ROSA, target="queue:mail", reason=SCRIPT)
    many = audit.note("retry", by=ROSA, total=500_000, query="status__exact=failed")
    page = get(admin_client, LIST)

    for told in ("Priority changed", "-5", "shop.pay", "rosa", "API", "The editor waits.", "queue:mail", "3 entries"):
        assert told in page.text
    assert "0 tasks of 500,000" in page.text
    assert page.with_attribute("href", reverse("admin:tasks_taskstatus_change", args=[task.pk]))
    assert SCRIPT not in page.html
    entry = get(admin_client, reverse("admin:tasks_auditentry_change", args=[many.pk]))
    tasks = reverse("admin:tasks_taskstatus_changelist")
    assert entry.with_attribute("href", f"{tasks}?status__exact=failed")


@pytest.mark.parametrize(("query", "found"), [("verb=pause", 1), ("door__exact=api", 2), ("q=queue:mail", 1)])
def test_the_audit_is_filtered_and_searched(admin_client: Client, query: str, found: int) -> None:
    audit.note("pause", by=ROSA, target="queue:mail")
    audit.note("resume", by=ROSA, target="queue:slow")
    assert f"{found} entr" in get(admin_client, f"{LIST}?{query}").text


def test_a_long_audit_takes_as_many_queries_as_a_short_one(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        audit.note("cancel", by=ROSA, row_ids=[rows.task().pk])
    with django_assert_max_num_queries(16) as captured:
        get(admin_client, LIST)
    assert not any("COUNT(*) AS" in one["sql"] and "LIMIT" not in one["sql"] for one in captured.captured_queries)
