"""Uploads of many files, and those that are refused."""

from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Project
from tests import rows
from tests.browser.conftest import Seen

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def project(jane: User) -> Project:
    return rows.project(owner="jane")


def payload(name: str, text: str = "") -> FilePayload:
    return {"name": name, "mimeType": "text/plain", "buffer": text.encode()}


def test_refused_files_stay_until_they_are_dismissed(
    project: Project, signed_in: Callable[..., Page], seen: Seen
) -> None:
    seen.expected = ["status of 400"]
    page = signed_in(f"/projects/{project.pk}/")
    refused = page.locator(".uploads .refused")
    page.locator("input[type=file]").set_input_files([payload(f"blank {number}.txt") for number in range(4)])
    expect(refused).to_have_count(4)

    page.goto("/")
    page.go_back()
    page.reload()
    expect(refused).to_have_count(4)
    expect(refused.filter(has_text="blank 3.txt")).to_contain_text("it has 0 bytes")
    refused.first.get_by_role("button", name="Dismiss").click()
    expect(refused.first.get_by_role("button", name="Dismiss")).to_be_focused()
    page.reload()
    expect(refused).to_have_count(3)

    page.get_by_role("button", name="Dismiss all").click()
    expect(refused).to_have_count(0)
    page.reload()
    expect(page.get_by_role("button", name="Dismiss all")).to_be_hidden()
    expect(refused).to_have_count(0)


def test_another_project_and_another_user_do_not_see_them(
    project: Project, signed_in: Callable[..., Page], seen: Seen
) -> None:
    seen.expected = ["status of 400"]
    page = signed_in(f"/projects/{project.pk}/")
    page.locator("input[type=file]").set_input_files(payload("blank.txt"))
    expect(page.locator(".refused")).to_have_count(1)
    assert page.evaluate("Object.keys(sessionStorage)") == [f"refused:{project.owner_id}:{project.pk}"]
    other = rows.project("Others", owner="jane")
    page.goto(f"/projects/{other.pk}/")
    expect(page.locator(".refused")).to_have_count(0)

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_the_lines_of_many_uploads_leave_the_page_in_place(
    project: Project, signed_in: Callable[..., Page], seen: Seen
) -> None:
    seen.expected = ["status of 400"]
    page = signed_in(f"/projects/{project.pk}/")
    before = page.locator("#report").bounding_box()
    files = [payload(f"blank {number}.txt") for number in range(14)]
    page.locator("input[type=file]").set_input_files([*files, payload("Emma.txt", "Some words.")])
    expect(page.locator(".refused")).to_have_count(14)
    expect(page.get_by_role("link", name="Emma")).to_be_visible()
    after = page.locator("#report").bounding_box()
    assert before
    assert after
    assert after["y"] - before["y"] < 500
    assert Document.objects.count() == 1


def test_an_upload_whose_encoding_cannot_be_told_leads_to_the_choice(
    project: Project, signed_in: Callable[..., Page]
) -> None:
    page = signed_in(f"/projects/{project.pk}/")
    danish = "Regnen var ikke holdt op siden morgen, og gaden under vinduet var blevet en å.\n".encode("cp850")
    page.locator("input[type=file]").set_input_files({"name": "regn.txt", "mimeType": "text/plain", "buffer": danish})
    expect(page.get_by_text("Added. Choose in the list how it reads.")).to_be_visible()
    page.get_by_role("link", name="Choose how regn reads").click()
    page.get_by_role("button", name="It reads like this").last.click()
    expect(page.get_by_text("read as DOS (cp437)")).to_be_visible()
    assert Document.objects.get().status == Document.Status.PROCESSING
