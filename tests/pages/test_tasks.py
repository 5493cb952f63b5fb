"""The page of a writer's own tasks, and the reason for which a task waits on the page of a document."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.documents.models import Document
from apps.pages import own_tasks
from apps.projects.models import Membership, Project, Role
from apps.tasks import health
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import get, statements

pytestmark = pytest.mark.django_db

TASKS = "/tasks/"
NO_ONE = "Waiting: no tasks are being worked on at the moment. Nothing is lost, and this goes on by itself."
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def without_servers(monkeypatch) -> None:
    """Redis is no part of these tests."""
    monkeypatch.setattr(health, "servers", {})


def processing(project: Project, title: str = "Emma", **values: Any) -> TaskStatus:
    """Make a document that is processed, and its task."""
    document = rows.document(title, project=project, status=Document.Status.PROCESSING)
    return rows.task(**{"about": document, "owner": project.owner, "queue_name": "documents", **values})


def test_a_writer_without_tasks_is_told_when_there_are_some(browser: Client) -> None:
    page = get(browser, TASKS)
    assert "Nothing yet." in page.text
    assert page.with_attribute("aria-current", "page")
    assert "My tasks" in get(browser, "/").text


def test_the_page_has_the_own_tasks_with_their_objects_progress_and_ends(browser: Client, project: Project) -> None:
    now = timezone.now()
    running = processing(project, status="processing", progress=37, progress_text="Chapters: 23 of 61")
    rows.task(
        "projects.generate_project_report", about=project, owner=project.owner, status="completed", finished_at=now
    )
    rows.task("projects.send_invitation", owner=project.owner, status="cancelled", finished_at=now)
    rows.task(
        about=rows.document("Theirs", project=rows.project(owner="rosa")), owner=User.objects.get(username="rosa")
    )
    page = get(browser, TASKS)
    for words in (
        "Emma",
        "Processing",
        "Chapters: 23 of 61",
        project.name,
        "Report",
        "Done on",
        "Cancelled on",
        own_tasks.OTHER,
    ):
        assert words in page.text
    assert "Theirs" not in page.text
    assert page.with_attribute("href", f"/documents/{running.related_object_id}/")
    [button] = page.with_attribute("id", f"cancel-{running.task_id}")
    assert button["aria-label"] == "Cancel: Processing: Emma"
    browser.post(f"/tasks/{running.task_id}/cancel/", {"back": TASKS})
    assert "Stopping" in get(browser, TASKS).text


def test_a_failed_task_is_started_again_from_the_page(browser: Client, project: Project) -> None:
    failed = processing(project, status="failed", error_type="KeyError", error_message="'isbn' of host db-one")
    Document.objects.update(status=Document.Status.FAILED)
    page = get(browser, TASKS)
    assert "Something went wrong on our side." in page.text
    assert "db-one" not in page.html
    [button] = page.with_attribute("id", f"again-{failed.pk}")
    assert button["aria-label"] == "Try again: Processing: Emma"
    address = f"/documents/{failed.related_object_id}/process/"
    assert page.with_attribute("action", address)
    assert browser.post(address).status_code == 302
    assert TaskStatus.objects.filter(status="pending").count() == 1
    # The old task has no button any more.
    assert not get(browser, TASKS).with_attribute("id", f"again-{failed.pk}")


def test_a_cancelled_document_can_be_started_again(browser: Client, project: Project) -> None:
    task = processing(project)
    browser.post(f"/tasks/{task.task_id}/cancel/", {"back": TASKS})
    assert get(browser, TASKS).with_attribute("id", f"again-{task.pk}")


def test_a_reader_may_not_start_again(browser: Client, project: Project, jane: User) -> None:
    task = processing(project, status="failed")
    Document.objects.update(status=Document.Status.FAILED)
    Project.objects.update(owner=User.objects.create_user("rosa"))
    assert "Emma" not in get(browser, TASKS).text
    Membership.objects.create(project=project, user=jane, role=Role.READER)
    page = get(browser, TASKS)
    assert "Emma" in page.text
    assert not page.with_attribute("id", f"again-{task.pk}")
    assert browser.post(f"/documents/{task.related_object_id}/process/").status_code == 403


def test_older_tasks_are_on_further_pages(browser: Client, project: Project, monkeypatch) -> None:
    monkeypatch.setattr(own_tasks, "PAGE_SIZE", 2)
    for title in ("One", "Two", "Three"):
        processing(project, title)
    page = get(browser, TASKS)
    assert "One" not in page.text
    [link] = page.with_attribute("rel", "next")
    older = get(browser, TASKS + str(link["href"]))
    assert "One" in older.text
    assert "Two" not in older.text
    assert "Newest" in older.text
    for before in ("0", "x", "-1", "9" * 30, "\N{ARABIC-INDIC DIGIT ONE}"):
        assert browser.get(TASKS, {"before": before}).status_code == 200


def test_the_page_costs_as_many_statements_for_many_tasks_as_for_few(browser: Client, project: Project) -> None:
    for number in range(own_tasks.MOST_REASONS):
        processing(project, str(number))
    few = len(statements(browser, TASKS))
    for number in range(20):
        processing(project, str(number))
    assert len(statements(browser, TASKS)) == few


def test_titles_are_shown_as_text(browser: Client, project: Project) -> None:
    processing(project, SCRIPT, progress_text=SCRIPT, status="processing")
    assert SCRIPT not in get(browser, TASKS).html


# --- Why it waits ---


def test_a_document_and_the_list_say_that_no_one_works(browser: Client, project: Project) -> None:
    task = processing(project)
    for here in (f"/documents/{task.related_object_id}/", TASKS):
        page = get(browser, here)
        assert NO_ONE in page.text
        assert "manage.py" not in page.text
        [bar] = page.with_attribute("data-task", task.task_id)
        assert (bar["data-why"], bar["data-pending"]) == (NO_ONE, "yes")


def test_a_document_says_when_it_is_tried_again(browser: Client, project: Project) -> None:
    later: dict[str, Any] = {"delayed": True, "run_at": timezone.now() + timedelta(minutes=3, seconds=30)}
    task = processing(project, retries=1, error_message="refused by db-one", **later)
    text = get(browser, f"/documents/{task.related_object_id}/").text
    assert "It did not work. It will be tried again in 3 min" in text
    assert "db-one" not in text
