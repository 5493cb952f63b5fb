"""The dashboard in a real Chromium: it renews itself, and fits a telephone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Request, expect

from apps.accounts.models import User
from apps.tasks.models import TaskStatus
from tests import rows

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]

FIRST_NUMBER = ".now-count b >> nth=0"


def test_the_dashboard_renews_itself_while_it_is_seen_and_keeps_the_focus(
    signed_in: Callable[..., Page], jane: User
) -> None:
    User.objects.filter(pk=jane.pk).update(is_staff=True, is_superuser=True)
    rows.task()
    rows.task(status="processing", started_at=timezone.now() - timedelta(minutes=9), progress_text="Chapter 3")
    rows.task(
        status="failed", cause="c", error_type="KeyError", error_message="'isbn' " * 40, finished_at=timezone.now()
    )
    page = signed_in("/admin/", viewport={"width": 390, "height": 900})
    page.clock.install()
    page.goto("/admin/")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    polls: list[Request] = []
    page.on("request", lambda request: polls.append(request) if "part=1" in request.url else None)

    expect(page.locator(FIRST_NUMBER)).to_have_text("1")
    page.get_by_role("link", name="7 d").focus()
    rows.task()
    page.clock.fast_forward(5_000)
    expect(page.locator(FIRST_NUMBER)).to_have_text("2")
    expect(page.get_by_role("link", name="7 d")).to_be_focused()

    page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    number = len(polls)
    page.clock.fast_forward(60_000)
    assert len(polls) == number
    TaskStatus.objects.filter(status="pending").delete()
    page.evaluate("Object.defineProperty(document, 'hidden', { value: false })")
    page.get_by_role("link", name="7 d").press("Enter")
    page.wait_for_url("**/admin/?period=week")
    expect(page.locator(FIRST_NUMBER)).to_have_text("0")

    page.context.clear_cookies()
    page.clock.fast_forward(5_000)
    expect(page.locator(".now-at")).to_contain_text("Not renewed since")
