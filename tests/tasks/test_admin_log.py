"""The log lines of a task on its page in the admin."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.tasks.log_buffer import Line, Part
from apps.tasks.log_lines import write
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import get, statements

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script> \x1b[31mred\x1b[0m \u202eback"


def page_of(task: TaskStatus) -> str:
    return reverse("admin:tasks_taskstatus_change", args=[task.pk])


def log_of(task: TaskStatus) -> str:
    return reverse("admin:tasks_taskstatus_log", args=[task.pk])


def log(task: TaskStatus, *texts: str, attempt: int = 0, first: int = 0, level: int = 20) -> None:
    lines = [Line(1_700_000_000_123, level, "acting.own", text) for text in texts]
    write([(task.pk, attempt, Part(first, lines, 0))])


def test_the_lines_of_the_newest_attempt_are_on_the_page_and_those_of_others_are_folded(admin_client) -> None:
    task = rows.task(status="completed", attempt=2)
    log(task, "first try", attempt=0)
    log(task, "second try", attempt=1, level=40)
    log(task, "reads", "writes", attempt=2)
    text = get(admin_client, page_of(task)).text
    assert "Log of attempt 3" in text
    assert text.index("reads") < text.index("writes") < text.index("second try") < text.index("first try")
    assert "ERROR" in text


def test_a_page_of_a_task_without_lines_has_no_section_unless_it_runs(admin_client: Client) -> None:
    assert "task-log" not in get(admin_client, page_of(rows.task(status="completed"))).html
    running = rows.task(status="processing")
    page = get(admin_client, page_of(running))
    assert "No lines yet." in page.html
    assert f'data-next="{log_of(running)}?attempt=0&amp;after=-1"' in page.html


def test_a_running_page_gets_the_lines_after_those_that_it_has(admin_client: Client) -> None:
    task = rows.task(status="processing")
    log(task, "a", "b")
    log(task, "c", first=2)
    html = get(admin_client, log_of(task), attempt="0", after="1").html
    assert html.count("task-log-line ") + html.count('"task-log-line"') == 1
    assert ">c<" in html
    assert 'after=2"' in html
    TaskStatus.objects.update(status="completed")
    html = get(admin_client, log_of(task), attempt="0", after="2").html
    assert 'task-log-line"' not in html
    assert "data-next" not in html


def test_hostile_lines_are_text(admin_client: Client) -> None:
    task = rows.task(status="failed")
    log(task, HOSTILE, "x" * 8_000)
    html = get(admin_client, page_of(task)).html
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ␛[31mred␛[0m \ufffdback" in html
    answer = admin_client.get(log_of(task))
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.content.decode().startswith(
        "2023-11-14T22:13:20.123+00:00 INFO acting.own <script>alert(1)</script> ␛[31mred"
    )


def test_a_page_shows_the_newest_lines_and_links_to_all(admin_client: Client) -> None:
    task = rows.task(status="completed")
    log(task, *(f"line {number}." for number in range(900)), first=100)
    page = get(admin_client, page_of(task))
    assert "line 899." in page.text
    assert "line 700." in page.text
    assert "line 699." not in page.text
    assert "100 older lines are not kept." in page.text
    assert "All 900 lines as text" in page.text
    assert len(get(admin_client, log_of(task), attempt="0").html.splitlines()) == 901


def test_a_page_asks_the_same_number_of_times_whatever_the_number_of_lines(admin_client: Client) -> None:
    task = rows.task(status="completed")
    log(task, "one")
    few = len(statements(admin_client, page_of(task)))
    for number in range(1, 50):
        log(task, "more", first=number)
    assert len(statements(admin_client, page_of(task))) == few


@pytest.mark.parametrize(
    "query", [{"attempt": "x"}, {"attempt": "9" * 30, "after": "-1"}, {"after": "\x00"}, {"after": ""}]
)
def test_an_address_that_makes_no_sense_shows_what_there_is(admin_client: Client, query: dict[str, Any]) -> None:
    task = rows.task(status="processing")
    log(task, "only")
    assert "only" in get(admin_client, log_of(task), **query).html


def test_only_staff_who_may_see_what_a_task_was_given_see_its_lines(client: Client) -> None:
    task = rows.task(status="processing", args=["isbn 1"])
    log(task, "reads isbn 1")
    user = User.objects.create_user("rosa", is_staff=True)
    client.force_login(user)
    assert client.get(log_of(task)).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_taskstatus"))
    assert client.get(log_of(task)).status_code == 403
    page = get(client, page_of(task))
    assert "isbn 1" not in page.html
    assert "its log lines are: they need the permission" in page.text
    assert log_of(task) not in page.html
    user.user_permissions.add(Permission.objects.get(codename="view_arguments_taskstatus"))
    assert "reads isbn 1" in get(client, log_of(task)).html
    assert "reads isbn 1" in get(client, page_of(task)).html
    assert client.post(log_of(task)).status_code == 405
    task.delete()
    assert client.get(reverse("admin:tasks_taskstatus_log", args=[1])).status_code == 302
