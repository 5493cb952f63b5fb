"""The page of a task tells in words which options it was sent with."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.tasks import ledger, states
from apps.tasks.models import Limit, Schedule, TaskGroup, TaskStatus
from apps.tasks.schedules import actions
from tests import rows
from tests.pages import get, statements

pytestmark = [pytest.mark.once, pytest.mark.django_db]

TASKS = reverse("admin:tasks_taskstatus_changelist")


def page_of(task: TaskStatus) -> str:
    return reverse("admin:tasks_taskstatus_change", args=[task.pk])


def said(client: Client, task: TaskStatus) -> dict[str, str]:
    """Return the options on the task's page, by their names."""
    page = client.get(page_of(task)).content.decode()
    options = "".join(re.findall(r'<dl class="task-options">(.*?)</dl>', page, re.DOTALL))
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", options, re.DOTALL)
    return {name: html.unescape(re.sub(r"<[^>]*>", "", text)) for name, text in found}


def message(actor_name: str, **options: Any) -> dict[str, Any]:
    return {"actor_name": actor_name, "args": ["secret-of-the-next"], "kwargs": {}, "options": options}


def test_each_option_is_told_in_words(admin_client: Client) -> None:
    options = {
        "delay": 90_000, "max_retries": 7, "min_backoff": 15_000, "max_backoff": 600_000, "time_limit": 7_200_000,
        "on_success": "a.won", "on_failure": "a.lost", "on_retry_exhausted": "a.gave_up", "store_results": False,
        "pipe_target": message("a.second", pipe_target=message("a.third")), "pipe_ignore": True,
    }  # fmt: skip
    task = rows.task(options=options, priority=-5)
    TaskStatus.objects.filter(pk=task.pk).update(expires_at=task.created_at + timedelta(hours=2))
    shown = said(admin_client, task)
    assert shown.pop("Starts before").endswith("2 h 0 min after it was sent")
    assert shown == {
        "Priority": "-5 (lower runs first)",
        "Delay": "1 min 30 s",
        "Automatic retries": "7 at most",
        "Shortest wait before a retry": "15 s",
        "Longest wait before a retry": "10 min 0 s",
        "Time limit": "2 h 0 min",
        "Next in its pipeline": "a.second → a.third",
        "Result before it": "not taken as an argument",
        "After each success": "a.won",
        "After each failed attempt": "a.lost",
        "After the last retry": "a.gave_up",
        "Result": "not stored",
    }


def test_a_task_without_options_has_no_section_of_them(admin_client: Client) -> None:
    task = rows.task()
    assert said(admin_client, task) == {}
    assert "Options" not in get(admin_client, page_of(task)).text


def test_arguments_of_the_next_message_are_not_told(admin_client: Client) -> None:
    task = rows.task(options={"pipe_target": message("a.second")})
    assert "secret-of-the-next" not in get(admin_client, page_of(task)).html


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"max_retries": None}, {"Automatic retries": "without a limit"}),
        ({"colour": "red"}, {"Other options": '{"colour": "red"}'}),
        ({"delay": "soon"}, {"Other options": '{"delay": "soon"}'}),
        ({"time_limit": 1e300}, {"Other options": '{"time_limit": 1e+300}'}),
        ({"max_retries": True}, {"Other options": '{"max_retries": true}'}),
        ({"pipe_target": [1]}, {"Other options": '{"pipe_target": [1]}'}),
        ({"group_key": {"a": 1}}, {"Other options": '{"group_key": {"a": 1}}'}),
        ({"group_key": "unknown"}, {"Group": "It ended a while ago, and its row is deleted."}),
        ({"schedule": "gone"}, {"Sent by schedule": "gone"}),
        ({"<b>": "<i>"}, {"Other options": '{"<b>": "<i>"}'}),
        (["odd"], {"Options": '["odd"]'}),
    ],
)
def test_odd_options_are_shown_as_they_are(admin_client: Client, options, shown) -> None:
    assert said(admin_client, rows.task(options=options)) == shown


def test_the_schedule_is_a_link(admin_client: Client) -> None:
    schedule = Schedule(name="Mondays", task_name="projects.send_weekly_report", cron="0 8 * * 1")
    actions.make(schedule)
    page = get(admin_client, page_of(rows.task(options={"schedule": "Mondays"})))
    assert page.with_attribute("href", reverse("admin:tasks_schedule_change", args=[schedule.pk]))


def test_a_member_shows_its_group_and_links_to_the_others(admin_client: Client) -> None:
    now = timezone.now()
    members = [
        rows.task(status=status, options={"group_key": "g"}, finished_at=now)
        for status in (states.COMPLETED, states.COMPLETED, states.FAILED, states.PENDING)
    ]
    other = rows.task(task_name="a.other")
    callbacks = [{"on": "success", "message": message("a.done")}, {"on": "finished", "message": message("a.told")}]
    ledger.open_group("g", members=[[task.task_id] for task in members], callbacks=callbacks)
    shown = said(admin_client, members[0])
    assert shown == {
        "Group": "4 members: 2 completed, 1 failed, 1 waiting",
        "After the group": "a.done (when all have completed), a.told (when all have ended)",
    }
    page = get(admin_client, page_of(members[0]))
    assert page.with_attribute("href", f"{TASKS}?group=g")
    listed = get(admin_client, TASKS, group="g")
    assert "group:g" in listed.text
    for task in (*members, other):
        assert bool(listed.with_attribute("href", f"{page_of(task)}")) == (task != other)
    assert "Nothing matches" in get(admin_client, TASKS, group="unknown").text
    assert "group:g" not in get(admin_client, TASKS).text


def test_a_large_group_costs_the_page_no_more_statements(admin_client: Client) -> None:
    task = rows.task(options={"group_key": "g"})
    ledger.open_group("g", members=[[task.task_id]])
    few = len(statements(admin_client, page_of(task)))
    TaskGroup.objects.all().delete()
    ledger.open_group("g", members=[[task.task_id], *([f"other {number}"] for number in range(200))])
    assert len(statements(admin_client, page_of(task))) == few


def test_a_limited_task_tells_its_line_and_the_tasks_before_it(admin_client: Client) -> None:
    limit = Limit.objects.create(task_name="acting.limited", concurrency=1)
    rows.worker_process(kind="relay")
    waiting = [rows.task(task_name="acting.limited", line="12", in_line=True, weight=2) for _ in range(3)]
    shown = said(admin_client, waiting[-1])
    assert (shown["Key of its limit"], shown["Weight"]) == ("12", "2 places")
    page = get(admin_client, page_of(waiting[-1]))
    assert "It waits for a place of its limit for 12, 0 of its 1 place is taken, 2 tasks are before it." in page.text
    assert reverse("admin:tasks_limit_change", args=[limit.pk]) in page.html
    assert "1 task is before it" in get(admin_client, page_of(waiting[1])).text
    Limit.objects.update(concurrency=0)
    assert "The limit of its actor is 0: none of its tasks starts." in get(admin_client, page_of(waiting[0])).text
    TaskStatus.objects.update(in_line=False, line="")
    assert "a place of its limit" not in get(admin_client, page_of(waiting[0])).text
