"""The button that cancels a task on the pages."""

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Membership, Project, Role
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import get

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(project: Project, jane: User) -> TaskStatus:
    document = rows.document(project=project, status=Document.Status.PROCESSING)
    return rows.task(about=document, owner=jane, status="processing", progress_text="Chapters: 3 of 61")


def press(browser: Client, task: TaskStatus, *, back: str = "/projects/") -> str:
    response = browser.post(f"/tasks/{task.task_id}/cancel/", {"back": back})
    assert response.status_code == 302
    return str(response["Location"])


def test_a_press_requests_the_cancellation_and_the_page_says_so(browser: Client, task: TaskStatus) -> None:
    here = f"/documents/{task.related_object_id}/"
    assert "Chapters: 3 of 61" in get(browser, here).text

    assert press(browser, task, back=here) == here

    task.refresh_from_db()
    assert task.cancel_requested_at is not None
    page = get(browser, here)
    assert "Stopping" in page.text
    assert "Chapters: 3 of 61" not in page.text


@pytest.mark.parametrize("back", ["https://example.com/", "//example.com", "", "projects"])
def test_a_press_leads_nowhere_else(browser: Client, task: TaskStatus, back: str) -> None:
    assert press(browser, task, back=back) == "/"


def test_a_task_that_has_ended_stays_as_it_is(browser: Client, task: TaskStatus) -> None:
    TaskStatus.objects.update(status="completed")
    press(browser, task)
    task.refresh_from_db()
    assert (task.status, task.cancel_requested_at) == ("completed", None)


def test_readers_have_no_button(browser: Client, task: TaskStatus) -> None:
    project = Project.objects.get()
    project.owner = User.objects.create_user("rosa")
    project.save()
    Membership.objects.create(project=project, user=User.objects.get(username="jane"), role=Role.READER)
    TaskStatus.objects.update(owner=project.owner)
    for here in (f"/documents/{task.related_object_id}/", f"/projects/{project.pk}/"):
        assert "Cancel" not in get(browser, here).text
    assert browser.post(f"/tasks/{task.task_id}/cancel/").status_code == 403
    assert not TaskStatus.objects.filter(cancel_requested_at__isnull=False).exists()


def test_the_task_of_another_user_does_not_exist(browser: Client) -> None:
    theirs = rows.task(about=rows.document(project=rows.project(owner="rosa")))
    for task_id in (theirs.task_id, "nowhere", "a\x00b"):
        assert browser.post(f"/tasks/{task_id}/cancel/").status_code == 404
