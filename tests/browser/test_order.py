"""Sorting documents with the mouse, with a finger and with the keyboard."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Project
from tests import rows

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def project(jane: User) -> Project:
    project = rows.project(owner="jane")
    for title in ("One", "Two", "Three"):
        rows.document(title, project=project)
    return project


def shown(page: Page, *titles: str) -> None:
    expect(page.locator(".ordered .name")).to_have_text(list(titles))


def stored() -> list[str]:
    return list(Document.objects.in_order().values_list("title", flat=True))


def test_a_button_moves_a_document_and_keeps_the_focus(project: Project, signed_in: Callable[..., Page]) -> None:
    page = signed_in(f"/projects/{project.pk}/")
    page.get_by_role("link", name="Order").click()
    page.get_by_role("button", name="Move up: Three").focus()
    page.keyboard.press("Enter")
    shown(page, "One", "Three", "Two")
    expect(page.get_by_role("button", name="Move up: Three")).to_be_focused()
    expect(page.locator("[data-announcer]")).to_have_text("Three: 2 of 3")

    page.keyboard.press("Enter")
    shown(page, "Three", "One", "Two")
    expect(page.get_by_role("button", name="Move down: Three")).to_be_focused()
    assert stored() == ["Three", "One", "Two"]


@pytest.mark.parametrize("has_touch", [False, True])
def test_a_document_is_dragged_by_its_handle(project: Project, signed_in: Callable[..., Page], has_touch: bool) -> None:
    page = signed_in(f"/projects/{project.pk}/order/", has_touch=has_touch)
    source = page.locator("[data-handle]").first.bounding_box()
    target = page.locator("[data-key]").last.bounding_box()
    assert source
    assert target
    page.mouse.move(source["x"] + 5, source["y"] + 5)
    page.mouse.down()
    page.mouse.move(source["x"] + 5, target["y"] + target["height"] - 3, steps=4)
    shown(page, "Two", "Three", "One")
    with page.expect_response("**/move/"):
        page.mouse.up()
    expect(page.locator("[data-announcer]")).to_have_text("One: 3 of 3")
    assert stored() == ["Two", "Three", "One"]


def test_escape_cancels_a_drag(project: Project, signed_in: Callable[..., Page]) -> None:
    page = signed_in(f"/projects/{project.pk}/order/")
    source = page.locator("[data-handle]").last.bounding_box()
    assert source
    page.mouse.move(source["x"] + 5, source["y"] + 5)
    page.mouse.down()
    page.mouse.move(source["x"] + 5, source["y"] - 200, steps=4)
    shown(page, "Three", "One", "Two")
    page.keyboard.press("Escape")
    page.mouse.up()
    shown(page, "One", "Two", "Three")
    assert stored() == ["One", "Two", "Three"]


def test_the_page_shows_what_another_writer_changed_meanwhile(project: Project, signed_in: Callable[..., Page]) -> None:
    page = signed_in(f"/projects/{project.pk}/order/")
    Document.objects.filter(title="Three").delete()
    page.get_by_role("button", name="Move down: One").click()
    expect(page.locator(".message.error")).to_contain_text("no longer in the project")
    shown(page, "One", "Two")
    page.get_by_role("button", name="Move down: One").click()
    shown(page, "Two", "One")
    expect(page.locator(".message.error")).to_have_count(0)
