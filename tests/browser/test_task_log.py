"""The log of a running task in a real Chromium: new lines come by themselves."""

import os
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, expect

from apps.accounts.models import User
from apps.tasks.log_buffer import Line, Part
from apps.tasks.log_lines import write
from apps.tasks.models import TaskStatus
from tests import rows

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def log(task: TaskStatus, *texts: str, first: int = 0) -> None:
    levels = (20, 30, 40, 10, 50)
    lines = [
        Line(1_700_000_000_000 + 700 * number, levels[number % 5], "documents.reading", text)
        for number, text in enumerate(texts, first)
    ]
    write([(task.pk, 0, Part(first, lines, 0))])


def test_new_lines_come_while_the_page_is_seen_until_the_task_ends(signed_in: Callable[..., Page], jane: User) -> None:
    User.objects.filter(pk=jane.pk).update(is_staff=True, is_superuser=True)
    task = rows.task(status="processing")
    log(task, "opened manuscript.docx", "chapter 3 has no title " * 12, "page 7 is torn\nTraceback:\n  ValueError")
    page = signed_in("/admin/", viewport={"width": 390, "height": 900})
    page.clock.install()
    page.goto(f"/admin/tasks/taskstatus/{task.pk}/change/")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    lines = page.locator(".task-log-line")
    expect(lines).to_have_count(3)
    polls: list[Request] = []
    page.on("request", lambda request: polls.append(request) if "/log/" in request.url else None)

    log(task, "chapter 4 <b>", "chapter 5", first=3)
    page.clock.fast_forward(2_000)
    expect(lines).to_have_count(5)
    expect(lines.nth(3)).to_contain_text("chapter 4 <b>")
    if folder := os.environ.get("LOG_PICTURES"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(f"document.documentElement.classList.toggle('dark', {str(scheme == 'dark').lower()})")
            for width in (390, 1300):
                page.set_viewport_size({"width": width, "height": 1200})
                page.screenshot(path=f"{folder}/log-{scheme}-{width}.png", full_page=True)

    page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    number = len(polls)
    page.clock.fast_forward(60_000)
    assert len(polls) == number
    TaskStatus.objects.update(status="completed")
    log(task, "the end", first=5)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: false });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    expect(lines).to_have_count(6)
    number = len(polls)
    page.clock.fast_forward(60_000)
    assert len(polls) == number
