"""The form of a schedule in a real Chromium: it shows the next times while they are typed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.tasks.models import Schedule, TaskStatus

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def staff(jane: User) -> User:
    jane.is_staff = jane.is_superuser = True
    jane.save()
    return jane


# One test: the server caches keys of content types, which the next test would make anew.
def test_the_next_times_follow_the_typing_and_the_schedule_is_made_and_run(
    signed_in: Callable[..., Page], staff: User
) -> None:
    page = signed_in("/admin/tasks/schedule/add/", viewport={"width": 1280, "height": 1000})
    shown = page.locator("#schedule-upcoming")
    expect(shown).to_have_text("Enter a cron text or an interval.")
    page.get_by_label("Cron text").fill("0 0 30 2 *")
    expect(shown).to_contain_text("never comes: there is no day '30' in month '2'")
    page.get_by_label("Cron text").fill("30 2 * * *")
    expect(shown).to_contain_text("At 02:30 every day, UTC")
    expect(shown.locator("li")).to_have_count(5)
    page.get_by_label("Time zone").fill("Australia/Lord_Howe")
    expect(shown).to_contain_text("Australia/Lord_Howe")
    page.get_by_label("Name").fill("Nightly")
    page.get_by_label("Actor").select_option("documents.clean_expired_documents")
    assert Schedule.objects.count() == 0

    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("This actor has a form of its own for its arguments.")).to_be_visible()
    page.get_by_label("Days kept").fill("30")
    assert Schedule.objects.count() == 0
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_role("button", name="Run now")).to_be_visible()
    schedule = Schedule.objects.get()
    assert (schedule.name, schedule.cron, schedule.time_zone) == ("Nightly", "30 2 * * *", "Australia/Lord_Howe")
    assert schedule.kwargs == {"days_kept": 30}
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("link", name="see its task").wait_for()
    assert TaskStatus.objects.get().options["schedule"] == "Nightly"
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    schedule.refresh_from_db()
    assert not schedule.enabled

    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for path in ("/admin/tasks/schedule/", "/admin/tasks/schedule/add/", f"/admin/tasks/schedule/{schedule.pk}/"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
