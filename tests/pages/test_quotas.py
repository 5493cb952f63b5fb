"""Refusals of quotas on the pages: a sentence beside the form, and the status of the API."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import Allowance, User
from apps.documents.models import Document
from apps.projects.models import Project
from tests import rows
from tests.pages import Page, get

pytestmark = pytest.mark.django_db

TEXT = "It is a truth universally acknowledged.\n"
NO_ROOM = "You have 1 of 1 documents. Delete a document, or ask an administrator for more."
TOO_MANY_TASKS = "You have 1 of the 1 tasks that may wait or run at once. Try again when some have ended."


@pytest.fixture
def project(jane: User) -> Project:
    return rows.project("Emma")


def page_of(response: Any, *, status: int) -> Page:
    assert response.status_code == status
    return Page(response.content.decode())


def files(*names: str) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(name, TEXT.encode()) for name in names]


def test_a_project_too_many_is_refused_beside_its_name(browser: Client, project: Project, settings: Settings) -> None:
    settings.QUOTA_PROJECTS = 1
    page = page_of(browser.post("/", {"name": "Persuasion"}), status=413)
    assert "You have 1 of 1 projects. Delete one, or ask an administrator for more." in page.text
    assert page.with_attribute("id", "new_name")[0]["value"] == "Persuasion"
    assert Project.objects.count() == 1


def test_a_pasted_text_too_many_is_refused_beside_it_and_kept(
    browser: Client, project: Project, settings: Settings
) -> None:
    settings.QUOTA_DOCUMENTS = 1
    rows.document(project=project)
    page = page_of(browser.post(f"/projects/{project.pk}/paste/", {"title": "Emma", "text": TEXT}), status=413)
    assert NO_ROOM in page.text
    assert TEXT.strip() in page.text


def test_of_several_files_those_that_fit_are_taken(browser: Client, project: Project, settings: Settings) -> None:
    settings.QUOTA_DOCUMENTS = 1
    page = page_of(browser.post(f"/projects/{project.pk}/upload/", {"chosen": files("a.txt", "b.txt")}), status=413)
    assert f"b.txt {NO_ROOM}" in page.text
    assert "“a” was added." in page.text
    assert Document.objects.get().title == "a"


def test_files_too_fast_are_refused_with_the_time_to_wait(
    browser: Client, project: Project, settings: Settings
) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 1
    response = browser.post(f"/projects/{project.pk}/upload/", {"chosen": files("a.txt", "b.txt")})
    assert "b.txt You have added 1 document within a minute" in page_of(response, status=429).text
    assert 1 <= int(response.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("address", ["documents/{document}/process/", "projects/{project}/process/"])
def test_a_task_too_many_is_refused_beside_the_button(
    browser: Client, project: Project, settings: Settings, broker: object, address: str
) -> None:
    settings.QUOTA_TASKS = 1
    document = rows.document(project=project)
    rows.task(owner=project.owner)
    response = browser.post("/" + address.format(document=document.pk, project=project.pk))
    page = page_of(response, status=429)
    assert TOO_MANY_TASKS in page.text
    assert response.headers["Retry-After"] == "10"
    assert page.with_attribute("role", "alert")
    document.refresh_from_db()
    assert document.status == Document.Status.DRAFT


@pytest.mark.parametrize("address", ["documents/{document}/process/", "projects/{project}/process/"])
def test_a_task_for_a_full_queue_is_refused_beside_the_button(
    browser: Client, project: Project, settings: Settings, broker: object, address: str
) -> None:
    settings.TASK_QUEUES = settings.TASK_QUEUES | {"documents": {"max_waiting": 1}}
    document = rows.document(project=project)
    rows.task(queue_name="documents")
    response = browser.post("/" + address.format(document=document.pk, project=project.pk))
    page = page_of(response, status=429)
    assert "Too many tasks are waiting at the moment. Try again in 10 seconds." in page.text
    assert response.headers["Retry-After"] == "10"
    assert page.with_attribute("role", "alert")
    document.refresh_from_db()
    assert document.status == Document.Status.DRAFT


def test_a_page_whose_work_a_full_queue_refuses_says_when_to_try_again(
    client: Client, settings: Settings, broker: object
) -> None:
    settings.TASK_QUEUES = settings.TASK_QUEUES | {"mail": {"max_waiting": 1}}
    rows.task(queue_name="mail")
    response = client.post("/sign-in/forgotten/", {"email": "jane@example.com"})
    assert "Too many tasks are waiting at the moment. Try again in 10 seconds." in page_of(response, status=429).text
    assert response.headers["Retry-After"] == "10"


def test_a_report_too_many_is_refused_beside_the_button(
    browser: Client, project: Project, settings: Settings, broker: object
) -> None:
    settings.QUOTA_TASKS = 1
    rows.task(owner=project.owner)
    assert TOO_MANY_TASKS in page_of(browser.post(f"/projects/{project.pk}/report/"), status=429).text


def test_the_page_of_projects_shows_what_they_hold(browser: Client, jane: User, project: Project) -> None:
    assert "Your projects hold" not in get(browser, "/").text
    rows.document(project=project, size_bytes=5 * 1024**2)
    assert "Your projects hold 1 of 5,000 documents with 5 of 1,024 MB." in get(browser, "/").text
    Allowance.objects.create(user=jane, documents=0, stored_megabytes=0)
    assert "Your projects hold 1 document with 5 MB." in get(browser, "/").text
