"""The stack of a running task in the admin."""

import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import stacks
from apps.tasks.models import TaskStack, TaskStatus
from apps.tasks.values import Frame
from tests import rows
from tests.pages import get

pytestmark = pytest.mark.django_db

OWN = Frame(file="/app/novel.py", line=12, name="count_words", source="for word in words:")
FOREIGN = [Frame(file="/usr/lib/threading.py", line=number, name=f"lib{number}", is_library=True) for number in (1, 2)]


def running(**values: Any) -> TaskStatus:
    defaults = {"status": "processing", "started_at": timezone.now(), "worker_id": uuid.uuid4()}
    return rows.task(**{**defaults, **values})


def page_of(task: TaskStatus) -> str:
    return reverse("admin:tasks_taskstatus_change", args=[task.pk])


def asking(task: TaskStatus) -> str:
    return reverse("admin:tasks_taskstatus_stack", args=[task.pk])


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that answers at once."""
    real = stacks.ask

    def ask(task: TaskStatus) -> None:
        real(task)
        for request in stacks.unanswered(TaskStack.objects.get(pk=task.pk).worker_id):
            stacks.answer(request, [*FOREIGN, OWN])

    monkeypatch.setattr(stacks, "ask", ask)


def test_a_running_task_has_a_button_and_others_have_none(admin_client: Client) -> None:
    task = running()
    assert f'action="{asking(task)}"' in get(admin_client, page_of(task)).html
    for values in ({"started_at": None}, {"status": "pending"}, {"status": "failed"}):
        other = running(**values)
        assert "Show its stack" not in get(admin_client, page_of(other)).text, values


@pytest.mark.usefixtures("answering")
def test_the_page_shows_the_stack_with_the_calls_of_libraries_folded(admin_client: Client) -> None:
    task = running()
    response = admin_client.post(asking(task))
    assert response.status_code == 302
    assert response["Location"] == page_of(task)
    page = get(admin_client, page_of(task))
    assert re.search(r"Stack at \d\d:\d\d:\d\d", page.text)
    assert 'File "/app/novel.py", line 12, in count_words' in page.text
    folded = re.findall(r"<details.*?</details>", page.html, re.DOTALL)
    (found,) = [part for part in folded if "2 calls in libraries" in part]
    assert "threading.py" in found
    assert "novel.py" not in found
    assert "Show its stack again" in page.text


@pytest.mark.usefixtures("answering")
def test_a_stack_of_an_earlier_attempt_is_not_shown(admin_client: Client) -> None:
    task = running()
    admin_client.post(asking(task))
    TaskStatus.objects.update(attempt=1)
    assert "Stack at" not in get(admin_client, page_of(task)).text


@pytest.mark.django_db(transaction=True)
def test_a_request_is_committed_where_views_run_in_transactions(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    def wait(task: TaskStatus) -> TaskStack:
        assert not connection.in_atomic_block
        return TaskStack.objects.get(pk=task.pk)

    monkeypatch.setattr(stacks, "wait", wait)
    assert admin_client.post(asking(running())).status_code == 302


def test_a_worker_that_does_not_answer_is_told(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "PATIENCE_SECONDS", 0.01)
    task = running()
    page = admin_client.post(asking(task), follow=True).content.decode()
    assert "The worker has not answered" in page
    assert "Stack at" not in page


def test_a_task_that_ended_meanwhile_is_told(admin_client: Client) -> None:
    page = admin_client.post(asking(running(status="completed")), follow=True).content.decode()
    assert "The task does not run, so it has no stack." in page


def test_the_stack_needs_the_permission_to_view_tasks_and_a_post(client: Client, admin_client: Client) -> None:
    task = running()
    assert admin_client.get(asking(task)).status_code == 405
    user = User.objects.create_user("clerk", password="x", is_staff=True)
    client.force_login(user)
    assert client.post(asking(task)).status_code == 403
    assert not TaskStack.objects.exists()
    user.user_permissions.add(Permission.objects.get(codename="view_taskstatus"))
    assert client.post(asking(running(started_at=None))).status_code == 302
    assert Client(enforce_csrf_checks=True).post(asking(task)).status_code in (302, 403)


def test_a_task_that_is_gone_leads_back_to_the_admin(admin_client: Client) -> None:
    assert admin_client.post(reverse("admin:tasks_taskstatus_stack", args=[999])).status_code == 302


def test_frames_are_escaped(admin_client: Client) -> None:
    script = "<script>alert(1)</script>"
    task = running()
    stacks.ask(task)
    (request,) = stacks.unanswered(TaskStack.objects.get().worker_id)
    stacks.answer(request, [Frame(file=script, line=1, name=script, source=script)])
    page = get(admin_client, page_of(task))
    assert script not in page.html
    assert "alert(1)" in page.text
