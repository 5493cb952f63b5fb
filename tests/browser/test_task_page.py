"""The page of one task renews itself in a real Chromium."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.tasks.models import TaskStatus
from tests import rows
from tests.commands import RunningCommand

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]

LIBRARY = '  File "/x/site-packages/a.py", line 1, in call\n    x()\n'
TRACEBACK = f'Traceback (most recent call last):\n{LIBRARY}  File "/x/own.py", line 7, in own\nKeyError: 1\n'


# One test: the server caches keys of content types, which the next test would make anew.
def test_the_page_follows_a_task_until_it_ends_and_copies_its_traceback(
    signed_in: Callable[..., Page], jane: User, worker: Callable[..., RunningCommand]
) -> None:
    jane.is_staff = jane.is_superuser = True
    jane.save()
    task = rows.task("aiwriting.debug_task", retries=1, error_type="KeyError", error_message="1", traceback=TRACEBACK)
    page = signed_in(f"/admin/tasks/taskstatus/{task.pk}/change/", permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_text("No worker lives.")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_be_visible()

    page.get_by_text("1 call in libraries").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("site-packages/a.py")).to_be_visible()
    page.get_by_role("button", name="Copy").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert [line for line in copied.splitlines() if line.strip()] == TRACEBACK.splitlines()

    worker("--processes", "1")
    expect(page.get_by_text("It completed at")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_have_count(0)
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    assert TaskStatus.objects.get().status == "completed"
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
