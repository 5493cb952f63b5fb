"""Every page of the site in a real Chromium, with a busy and partly broken system and hostile texts behind it.

Each page must load without an error or a violation of its policy, stay within a telephone and within a window at a zoom
of 200 %, run nothing that a text smuggles in, and have nothing that axe calls serious.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.urls import reverse
from playwright.sync_api import Dialog, Page

from apps.accounts.models import User
from tests.access import busy, hostile
from tests.access.addresses import addresses, filled, values_of
from tests.access.rules import IN, STAFF, entry_of
from tests.access.site import make_site
from tests.browser import pictures, room
from tests.browser.conftest import Seen

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]

#: Pages that are alike for every model. Without `--every-look` those of one model are visited.
ALIKE = ("_history", "_delete", "_add")
#: Models whose pages have nothing of their own, by the start of their names.
PLAIN = ("admin:accounts_", "admin:auth_", "admin:documents_", "admin:projects_membership_")
#: Addresses of files and of parts of a page, which scripts fetch.
NO_PAGES = {
    "admin:jsi18n", "admin:search", "admin:tasks_schedule_preview", "admin:tasks_taskstatus_log",
    "admin:tasks_taskstatus_part",
}  # fmt: skip
#: A model with a page of each kind.
MODEL = "alertrule"
#: Pages for those who are not signed in.
OUTSIDE = ("/sign-in/", "/sign-in/forgotten/", "/admin/login/")
#: Widths in CSS pixels: a telephone, and a window of 1300 pixels at a zoom of 200 %.
TELEPHONE, ZOOMED = 390, 650
#: Rules of axe whose findings may be serious. Those of best practice alone are none of them.
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
#: Rules that know the colours of the theme.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
#: The width of the page, and what reaches over it.
OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return "";
    const isOver = (element) => element.getBoundingClientRect().right > width + 1;
    const over = [...document.querySelectorAll("body *")].filter(isOver);
    return `${document.documentElement.scrollWidth} px: ${over.slice(0, 3).map((one) => one.outerHTML.slice(0, 80))}`;
}"""


@pytest.fixture
def site(jane: User) -> dict[str, str]:
    """Make the rows, of which jane owns most, and who may do everything. Return the addresses by their names."""
    User.objects.filter(pk=jane.pk).update(is_staff=True, is_superuser=True)
    others = {
        role: User.objects.create_user(role.replace(" ", "-"), is_staff=role in STAFF)
        for role in ("other writer", "editor", "reader", "staff")
    }
    values = make_site({**others, "writer": jane})
    tasks = busy.fill(jane)
    found: dict[str, str] = {}
    for name, pattern in sorted(set(addresses())):
        entry = entry_of(name)
        assert entry is not None
        if (
            name.startswith(("admin", "pages:"))
            and name not in NO_PAGES
            and IN in {entry.expected("GET", role) for role in ("superuser", "writer")}
        ):
            found[name] = filled(pattern, values_of(name, values))
    for number, task in enumerate(tasks[:5]):
        found[f"task {number}, {task.status}"] = reverse("admin:tasks_taskstatus_change", args=[task.pk])
    found["tasks that failed"] = f"{reverse('admin:tasks_taskstatus_changelist')}?status__exact=failed"
    return {name: path for path, name in {path: name for name, path in found.items()}.items()}


def violations(page: Page, rules: dict[str, Any]) -> Iterator[str]:
    options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
    found = page.evaluate("options => axe.run(document, options)", options)
    for one in found["violations"]:
        if one["impact"] in ("serious", "critical"):
            for node in one["nodes"][:3]:
                yield f"axe, {one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"


def is_alike(name: str) -> bool:
    return (name.endswith(ALIKE) and MODEL not in name) or name.startswith(PLAIN)


def test_every_page_is_sound(
    signed_in: Callable[..., Page], site: dict[str, str], seen: Seen, pytestconfig: pytest.Config
) -> None:
    every_look = pytestconfig.getoption("--every-look")
    hostile.fill(600)
    page = signed_in("/account/", viewport={"width": TELEPHONE, "height": 900}, reduced_motion="reduce")
    heard: list[str] = []

    def hear_dialog(dialog: Dialog) -> None:
        heard.append(f"dialog {dialog.message}")
        dialog.dismiss()

    page.on("dialog", hear_dialog)
    page.on("response", lambda one: heard.append(f"{one.status} {one.url}") if one.status >= 400 else None)
    problems: list[str] = []
    visits = [(name, path) for name, path in site.items() if every_look or not is_alike(name)]
    for name, path in [*visits, *(("outside", path) for path in OUTSIDE)]:
        if path == OUTSIDE[0]:
            page.context.clear_cookies()
        page.goto(path)
        found = [*heard, *seen.errors]
        heard.clear()
        seen.errors.clear()
        found += every_look_at(page) if every_look else look_at(page)
        problems += [f"{name} {path}: {one}" for one in found]
    assert problems == [], "\n".join(["", *problems])


def look_at(page: Page) -> Iterator[str]:
    """Yield what is wrong with the open page."""
    if over := page.evaluate(OVERFLOW):
        yield f"too wide: {over}"
    page.evaluate(AXE_SCRIPT)
    yield from violations(page, RULES)


def every_look_at(page: Page) -> Iterator[str]:
    """Yield what is wrong with the open page, in both themes and at both widths."""
    for width in (ZOOMED, TELEPHONE):
        page.set_viewport_size({"width": width, "height": 900})
        yield from look_at(page)
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.documentElement.classList.add('dark')")
    yield from (f"dark: {one}" for one in violations(page, COLOURS))
    page.emulate_media(color_scheme="light")


def test_pictures_are_taken(
    signed_in: Callable[..., Page], jane: User, seen: Seen, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """Take each page of the control room empty, busy and burning, in both themes and widths, into `--pictures`.

    Without it, take one page, so that the rows are tried.
    """
    folder = pytestconfig.getoption("--pictures")
    User.objects.filter(pk=jane.pk).update(is_staff=True, is_superuser=True)
    if folder is None:
        room.make_busy(jane)
        room.make_burning(jane)
        pictures.take(signed_in("/account/"), {"now": "/admin/"}, tmp_path, scheme="light", seen=seen)
        return
    conditions: dict[str, Callable[[User], None]] = {
        "empty": lambda _user: None, "busy": room.make_busy, "burning": room.make_burning,
    }  # fmt: skip
    for condition, make in conditions.items():
        make(jane)
        found, target = pictures.pages(), Path(folder) / condition
        target.mkdir(parents=True, exist_ok=True)
        for scheme in ("light", "dark"):
            page = signed_in("/account/", color_scheme=scheme, reduced_motion="reduce")
            pictures.take(page, found, target, scheme=scheme, seen=seen)
            page.context.close()
