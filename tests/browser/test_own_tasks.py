"""The page of a writer's own tasks, with the keyboard alone, before a real worker."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.documents.models import Document
from apps.documents.services.document_service import DocumentService
from apps.tasks.models import TaskStatus
from tests import rows
from tests.commands import RunningCommand

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def reach(page: Page, name: str, role: str = "button") -> None:
    """Press Tab until the focus is on an element."""
    wanted = page.get_by_role(role, name=name)  # type: ignore[arg-type]
    expect(wanted).to_be_visible()
    for _ in range(40):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {name}")


# One test: it is one visit of a writer, and a browser takes a second to start.
def test_a_writer_cancels_a_task_starts_it_again_and_sees_it_done(
    signed_in: Callable[..., Page], jane: User, worker: Callable[..., RunningCommand]
) -> None:
    document = DocumentService.create(project=rows.project(owner="jane"), title="Emma", text="Emma was handsome.")
    DocumentService.start_processing(document, owner_id=jane.pk)
    page = signed_in("/")
    reach(page, "My tasks", role="link")
    page.keyboard.press("Enter")
    expect(page.locator("[data-text]")).to_contain_text("Waiting: no tasks are being worked on")

    reach(page, "Cancel: Processing: Emma")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Cancelled on")).to_be_visible()
    assert TaskStatus.objects.get().status == "cancelled"

    reach(page, "Try again: Processing: Emma")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Being processed")).to_be_visible()
    expect(page.locator("[data-text]")).to_contain_text("Waiting: no tasks are being worked on")
    reach(page, "My tasks", role="link")
    page.keyboard.press("Enter")
    expect(page.locator("[data-text]")).to_contain_text("Waiting: no tasks are being worked on")

    # From here on the page moves by itself.
    worker("--processes", "1")
    expect(page.get_by_text("Done on")).to_be_visible()
    assert Document.objects.get().status == Document.Status.PROCESSED
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
