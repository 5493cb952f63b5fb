"""Cancelling and retrying tasks in a real Chromium, before a real worker."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.tasks.models import TaskStatus
from tests import rows
from tests.commands import RunningCommand

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]

LIST = "/admin/tasks/taskstatus/"


# One test: the server caches keys of content types, which the next test would make anew.
def test_an_operator_cancels_all_waiting_tasks_and_retries_one_which_a_worker_runs(
    signed_in: Callable[..., Page], jane: User, worker: Callable[..., RunningCommand], wait_until: Callable[..., None]
) -> None:
    jane.is_staff = jane.is_superuser = True
    jane.save()
    waiting = [rows.task("aiwriting.debug_task") for _ in range(60)]
    failed = rows.task("aiwriting.debug_task", status="failed", error_message="ValueError: " + "a long error " * 99)
    page = signed_in(LIST, viewport={"width": 1280, "height": 900})

    def ask() -> None:
        page.get_by_role("checkbox", name="Select all").check()
        page.get_by_role("link", name="Select all 61 tasks").click()
        page.get_by_label("Select action to run").select_option("Cancel the selected tasks")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("heading", name="Cancel 60 tasks?")).to_be_visible()

    ask()
    page.get_by_role("link", name="No, take me back").click()
    expect(page.get_by_role("checkbox", name="Select all")).not_to_be_checked()
    assert TaskStatus.objects.filter(status="pending").count() == 60
    ask()
    page.get_by_role("button", name="Yes, cancel").click()
    expect(page.get_by_text("60 tasks were cancelled.")).to_be_visible()
    expect(page.get_by_text("1 task is left as it is: it has failed.")).to_be_visible()
    assert TaskStatus.objects.filter(status="cancelled").count() == 60

    page.goto(f"{LIST}{failed.pk}/change/")
    page.get_by_role("link", name="Retry").click()
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
    page.get_by_role("button", name="Yes, retry").click()
    expect(page.get_by_text("The task was retried.")).to_be_visible()
    worker("--processes", "1")
    wait_until(lambda: TaskStatus.objects.filter(pk=failed.pk, status="completed").exists())

    page.reload()
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name="Retry")).to_have_count(0)
    expect(page.get_by_text("Retried by jane (admin)")).to_be_visible()
    assert {task.pk for task in waiting} == set(
        TaskStatus.objects.filter(status="cancelled").values_list("pk", flat=True)
    )
