"""The admin's pages of groups of tasks."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.tasks.admin import group as group_module
from apps.tasks.models import TaskGroup, TaskGroupMember
from tests import rows
from tests.pages import get, statements

pytestmark = [pytest.mark.once, pytest.mark.django_db]

GROUPS = reverse("admin:tasks_taskgroup_changelist")
SCRIPT = "<script>alert(1)</script>"


def group(key: str, *statuses: str, **values: Any) -> TaskGroup:
    """Make a group whose members have these states."""
    found = TaskGroup.objects.create(key=key, size=len(statuses), **values)
    for number, status in enumerate(statuses):
        task = rows.task("acting.pack", status=status, finished_at=timezone.now())
        TaskGroupMember.objects.create(
            group=found, task_id=task.task_id, position=number, number=number, is_last=True
        )  # fmt: skip
    return found


def page_of(found: TaskGroup) -> str:
    return reverse("admin:tasks_taskgroup_change", args=[found.pk])


def test_without_groups_the_page_says_how_to_send_one(admin_client: Client) -> None:
    assert "No groups yet" in get(admin_client, GROUPS).text


def test_a_group_is_shown_with_its_progress_and_its_numbers(admin_client: Client) -> None:
    going = group("going", "completed", "completed", "completed", "failed", "processing", "pending")
    group("done", "completed", ended_at=timezone.now())
    text = get(admin_client, GROUPS).text
    assert "Going on" in text
    assert "50%" in text
    assert "6 members 3 completed, 1 failed, 1 running, 1 waiting" in text
    assert "100%" in text
    assert "2 task groups" in text
    page = get(admin_client, page_of(going))
    assert "6 members : 3 completed , 1 failed , 1 running , 1 waiting" in page.text
    tasks = reverse("admin:tasks_taskstatus_changelist")
    addresses = [str(one["href"]) for _, one in page.elements if str(one.get("href")).startswith(f"{tasks}?")]
    for address, number in zip(addresses, (6, 3, 1, 1, 1), strict=True):
        assert get(admin_client, address).html.count('class="action-select"') == number


def test_callbacks_are_named_without_their_arguments(admin_client: Client) -> None:
    message = {"actor_name": "acting.report", "args": ["secret"]}
    odd: list[Any] = [{"on": "finished", "message": message}, 7, {"message": None}]
    found = group("g", "completed", callbacks=odd)
    page = get(admin_client, page_of(found))
    assert "acting.report when all have ended" in page.text
    assert "secret" not in page.html
    assert "1 callback" in get(admin_client, GROUPS).text


def test_a_large_group_is_counted_on_its_own_page(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_module, "MOST_MEMBERS", 2)
    found = group("large", "completed", "completed", "failed")
    assert "3 members counted on its page" in get(admin_client, GROUPS).text
    assert "2 completed" in get(admin_client, page_of(found)).text


def test_a_group_is_found_by_its_key(admin_client: Client) -> None:
    for key in ("one", "two"):
        group(key, "completed")
    assert ("one" in get(admin_client, GROUPS, q="one").html.split("result_list")[-1]) is True
    assert get(admin_client, GROUPS, q="one").html.count('class="field-state') == 1
    assert "Nothing matches" in get(admin_client, GROUPS, q="on").text


def test_a_list_takes_as_many_statements_whatever_its_length(admin_client: Client) -> None:
    group("first", "completed")
    few = statements(admin_client, GROUPS)
    for number in range(9):
        group(f"g{number}", "completed", "failed")
    many = statements(admin_client, GROUPS)
    assert len(many) == len(few)


def test_a_hostile_key_is_shown_as_text(admin_client: Client) -> None:
    found = group(SCRIPT, "completed")
    for address in (GROUPS, page_of(found)):
        assert SCRIPT not in get(admin_client, address).html


def test_a_group_cannot_be_changed(admin_client: Client) -> None:
    found = group("g", "completed")
    for name, arguments in (("add", []), ("change", [found.pk]), ("delete", [found.pk])):
        assert admin_client.post(reverse(f"admin:tasks_taskgroup_{name}", args=arguments)).status_code == 403
