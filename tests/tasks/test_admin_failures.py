"""The pages Failures and "Since the deploy"."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import code_version, figures
from apps.tasks.admin.now import failures as page_module
from apps.tasks.admin.now import since as since_module
from apps.tasks.failures import cause_of
from apps.tasks.figures import Counts
from apps.tasks.models import Deploy, TaskStatus
from tests import rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db

FAILURES, SINCE = reverse("admin:tasks_failures"), reverse("admin:tasks_deploy")
SCRIPT = "<script>alert(1)</script>"


def failed(error_type: str, *, minutes: float = 1, name: str = "acting.add", error: str = "no") -> TaskStatus:
    at = timezone.now() - timedelta(minutes=minutes)
    return rows.task(
        name, status="failed", cause=cause_of(name, error_type, error), error_type=error_type, error_message=error,
        run_at=at, started_at=at, finished_at=at,
    )  # fmt: skip


def deploy(version: str, *, minutes: float = 10) -> Deploy:
    number = Deploy.objects.count() + 1
    return Deploy.objects.create(number=number, version=version, at=timezone.now() - timedelta(minutes=minutes))


def ended(name: str, *, at: datetime, number: int = 1, status: str = "completed", seconds: float = 1) -> None:
    for one in range(number):
        time = at + timedelta(milliseconds=one)
        end = time + timedelta(seconds=seconds)
        task = rows.task(name, status=status, run_at=time, started_at=time, finished_at=end)
        TaskStatus.objects.filter(pk=task.pk).update(created_at=time)


def count() -> None:
    while figures.keep_up():
        pass


def cells(page: Page, text: str) -> list[str]:
    """Return the cells of the row of the table that has this text."""
    rows_of_table = (row.split("</tr>")[0] for row in page.html.split("<tr>"))
    [row] = [row for row in rows_of_table if text in row]
    return [Page(cell).text for cell in row.split("<td")[1:]]


# --- Failures ---


def test_causes_are_shown_with_how_often_in_each_span_the_last_first(admin_client: Client) -> None:
    for minutes in (5, 100, 600, 3000, 20_000):
        failed("app.MailRefusedError", minutes=minutes)
    failed("KeyError", minutes=2)
    page = get(admin_client, FAILURES)
    assert page.text.index("KeyError") < page.text.index("MailRefusedError")
    assert [text.removeprefix("> ") for text in cells(page, "MailRefusedError")][:4] == ["1", "2", "3", "4"]
    assert [text.removeprefix("> ") for text in cells(page, "KeyError")][:4] == ["1", "1", "1", "1"]


def test_each_number_leads_to_its_tasks(admin_client: Client) -> None:
    for minutes in (5, 100, 600, 3000):
        task = failed("KeyError", minutes=minutes)
    page = get(admin_client, FAILURES)
    tasks = reverse("admin:tasks_taskstatus_changelist")
    addresses = [str(one["href"]) for _tag, one in page.elements if str(one.get("href")).startswith(f"{tasks}?")]
    assert len(addresses) == 5
    for address, number in zip(addresses, (4, 1, 2, 3, 4), strict=True):
        assert task.cause in address
        assert get(admin_client, address).html.count('class="action-select"') == number


def test_all_failures_of_a_cause_are_retried_from_the_page(admin_client: Client) -> None:
    for minutes in (5, 3000):
        task = failed("KeyError", minutes=minutes)
    page = get(admin_client, FAILURES)
    [retry] = [str(one["href"]) for _tag, one in page.elements if f"{task.cause}/retry" in str(one.get("href"))]
    question = get(admin_client, retry)
    assert "Retry 2 tasks?" in question.text
    hidden = {str(one["name"]): one["value"] for one in question.with_attribute("type", "hidden")}
    admin_client.post(retry, hidden)
    assert not TaskStatus.objects.filter(status="failed").exists()


def test_a_cause_that_came_with_the_deploy_is_marked(admin_client: Client) -> None:
    failed("KeyError", minutes=2)
    failed("OSError", minutes=2)
    failed("OSError", minutes=30)
    assert "new since the deploy" not in get(admin_client, FAILURES).text
    assert "No deploy is known" in get(admin_client, FAILURES).text
    deploy("v2")
    page = get(admin_client, FAILURES)
    assert page.text.count("new since the deploy") == 1
    assert page.text.index("new since the deploy") < page.text.index("KeyError: no")


def test_more_causes_than_are_shown_are_said_to_be_more(admin_client: Client, monkeypatch) -> None:
    monkeypatch.setattr(page_module, "MOST_CAUSES", 2)
    monkeypatch.setattr(page_module, "MOST_COUNTED", 3)
    for number in range(5):
        failed("KeyError", minutes=number)
    failed("OSError", minutes=6)
    assert "There are more" not in get(admin_client, FAILURES).text
    failed("ValueError", minutes=7)
    page = get(admin_client, FAILURES)
    assert "The last 2 causes are shown. There are more" in page.text
    assert "3+" in page.text


def test_without_failures_the_page_says_so(admin_client: Client) -> None:
    assert "Nothing failed in the last 7 days." in get(admin_client, FAILURES).text


def test_hostile_texts_are_shown_as_text(admin_client: Client) -> None:
    failed("app.OddError", error=SCRIPT, name=SCRIPT[:30])
    deploy(SCRIPT, minutes=30)
    for address in (FAILURES, SINCE):
        assert SCRIPT not in get(admin_client, address).html
    assert "alert(1)" in get(admin_client, FAILURES).text


def test_the_page_takes_as_many_statements_however_many_causes(admin_client: Client) -> None:
    failed("KeyError")
    few = statements(admin_client, FAILURES)
    for number in range(8):
        failed(f"app.Error{number}Error")
    assert len(statements(admin_client, FAILURES)) == len(few) <= 9


def test_read_only_staff_see_no_buttons_and_others_nothing(client: Client) -> None:
    user = User.objects.create_user("rosa", is_staff=True)
    client.force_login(user)
    for address in (FAILURES, SINCE):
        assert client.get(address).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_taskstatus"))
    failed("KeyError")
    for address in (FAILURES, SINCE):
        assert "/retry/" not in get(client, address).html
        assert client.post(address).status_code == 405


# --- Since the deploy ---


@pytest.mark.parametrize(("version", "words"), [("", "CODE_VERSION="), ("4f2a9c", "This code is 4f2a9c.")])
def test_without_a_deploy_the_page_says_what_to_do(admin_client: Client, monkeypatch, version: str, words: str) -> None:
    monkeypatch.setattr(code_version, "of_this_code", lambda: version)
    text = get(admin_client, SINCE).text
    assert "No deploy is known yet" in text
    assert words in text


def test_actors_are_compared_before_and_since_the_largest_change_first(admin_client: Client) -> None:
    deploy("v1", minutes=500)
    last = deploy("v2", minutes=30)
    for name, seconds in (("acting.same", 2), ("acting.slower", 2)):
        ended(name, at=last.at - timedelta(minutes=20), number=6, seconds=seconds)
    ended("acting.same", at=last.at + timedelta(minutes=5), number=6, seconds=2)
    ended("acting.slower", at=last.at + timedelta(minutes=5), number=6, seconds=40)
    ended("acting.slower", at=last.at + timedelta(minutes=5), number=4, status="failed", seconds=40)
    count()
    page = get(admin_client, SINCE)
    assert page.text.index("acting.slower") < page.text.index("acting.same")
    slower = cells(page, "acting.slower")
    assert "before 0 %, 0 since 40 %, 4" in slower[1]
    assert "before 2.50 s since 47 s" in slower[2]
    assert 'data-mark="worse"' in page.html
    assert all("worse" not in cell for cell in cells(page, "acting.same"))


def test_another_deploy_can_be_chosen(admin_client: Client) -> None:
    first, _last = deploy("v1", minutes=300), deploy("v2", minutes=30)
    ended("acting.early", at=first.at + timedelta(minutes=5))
    ended("acting.late", at=timezone.now() - timedelta(minutes=5))
    count()
    page = get(admin_client, SINCE, number=first.number)
    assert "acting.early" in page.text
    assert "acting.late" not in page.text
    assert "acting.late" in get(admin_client, SINCE).text
    for odd in ("x", "-1", "99", "9" * 40, "\0"):
        assert "Deploy of v2" in get(admin_client, SINCE, number=odd).text


def test_new_causes_are_those_whose_first_failure_came_with_the_deploy(admin_client: Client) -> None:
    deploy("v2", minutes=30)
    failed("KeyError", minutes=60)
    failed("KeyError", minutes=5)
    failed("app.FreshError", minutes=5)
    text = get(admin_client, SINCE).text.split("New causes of failure")[1]
    assert "FreshError" in text
    assert "KeyError" not in text


@pytest.mark.parametrize(
    ("old", "new", "worse"),
    [
        ({"completed": 1000}, {"completed": 999, "failed": 1}, False),
        ({"completed": 100}, {"completed": 80, "failed": 20}, True),
        ({"completed": 1}, {"failed": 1}, False),
        ({}, {"completed": 100}, False),
    ],
)
def test_few_tasks_and_small_changes_are_not_marked(old: dict[str, Any], new: dict[str, Any], worse: bool) -> None:
    found = since_module.compare({"a": Counts(**old)}, {"a": Counts(**new)}, hours=(1, 1))
    marks: list[Any] = [cell.mark for cell in found[0]["cells"]]
    assert ("worse" in marks) == worse
