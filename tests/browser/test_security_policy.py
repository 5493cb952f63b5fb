"""The Content-Security-Policy in a real Chromium, which reports each violation on its console."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from tests import rows
from tests.browser.conftest import Seen

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]

NewPage = Callable[..., Page]


@pytest.fixture
def opened(new_page: NewPage, client: Client, jane: User, address: str) -> Page:
    """A browser in which jane, who may do everything, is signed in."""
    User.objects.filter(pk=jane.pk).update(is_staff=True, is_superuser=True)
    client.force_login(jane)
    page = new_page(base_url=address)
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])
    return page


def test_the_admins_theme_works_under_its_policy(opened: Page, jane: User) -> None:
    rows.task()
    opened.goto(reverse("admin:tasks_taskstatus_changelist"))
    assert opened.locator("style").count() == 0

    opened.get_by_text("jane", exact=True).click()
    opened.get_by_text("Dark", exact=True).click()
    expect(opened.locator("html")).to_have_class("dark")
    opened.get_by_text("Filters").first.click()
    expect(opened.get_by_role("button", name="Apply")).to_be_visible()


def test_a_script_that_was_smuggled_in_does_not_run(opened: Page, seen: Seen) -> None:
    seen.expected = ["Content Security Policy", "status of 404"]
    for path in ("/", reverse("admin:index")):
        opened.goto(path)
        opened.evaluate(
            """() => {
                window.ran = [];
                const inline = document.createElement("div");
                inline.innerHTML = "<img src=/x onerror='ran.push(1)'>";
                document.body.append(inline);
                document.write("<script>ran.push(2)</script>");
            }"""
        )
        assert opened.evaluate("window.ran") == []


#: An address of a polluter, for parsers of queries and of fragments.
POLLUTING = "?__proto__[own]=x&__proto__.own=x&constructor[prototype][own]=x"


def test_no_address_adds_to_all_objects(opened: Page, jane: User) -> None:
    project = rows.document(project=rows.project(owner="jane")).project
    rows.task()
    admin = [reverse(f"admin:{name}") for name in ("index", "tasks_taskstatus_changelist", "tasks_schedule_add")]
    for path in ("/", f"/projects/{project.pk}/", "/account/", *admin):
        opened.goto(f"{path}{POLLUTING}#{POLLUTING[1:]}")
        assert opened.evaluate("[({}).own, Object.keys(Object.prototype)]") == [None, []], path
