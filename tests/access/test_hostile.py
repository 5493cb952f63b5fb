"""Every page and what its links lead to, the API and the terminal, with hostile texts of a megabyte in every row."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.core.management import CommandError
from django.test import Client
from django.urls import resolve
from django.urls.exceptions import Resolver404

from apps.accounts.models import User
from apps.tasks.models import TaskStatus
from tests.access import hostile
from tests.access.site import make_busy_site
from tests.pages import Page
from tests.terminal import Terminal, end
from workers.management.commands.tasks import ACTIONS

pytestmark = [pytest.mark.django_db, pytest.mark.once]

#: Characters of a page, at most. One may show some texts as a whole, such as an error.
MOST = 3_000_000
#: Filters, each with the others. One of each is enough.
FACETS = {"_facets", "_changelist_filters"}


@pytest.fixture
def site(client: Client) -> list[str]:
    """Make rows with hostile texts. Return the addresses of their pages. The client may do everything."""
    owner, found = make_busy_site()
    columns = hostile.fill(1_000_000)
    assert "tasks.TaskStatus.error_message" in columns
    client.force_login(User.objects.get(pk=owner.pk))
    client.raise_request_exception = False
    return found


def links(page: Page, path: str) -> Iterator[str]:
    """Yield the addresses of a page on this site, with the page's own for those that begin with a question mark."""
    for tag, attributes in page.elements:
        is_form = tag == "form" and (attributes.get("method") or "get").lower() == "get"
        href = attributes.get("action" if is_form else "href") if is_form or tag == "a" else None
        if href:
            assert urlsplit(href).scheme in ("", "http", "https"), f"{path} has a link to {href[:80]}"
            if not urlsplit(href).netloc:
                yield urljoin(path, href)


def kind_of(address: str) -> tuple[str, frozenset[str]] | None:
    """Return the name of a page, and the filters. None: no page is there, or it is filtered like one of another."""
    parts = urlsplit(address)
    keys = frozenset(one.partition("=")[0] for one in parts.query.split("&") if one)
    try:
        return None if keys & FACETS or len(keys) > 1 else (resolve(parts.path).view_name, keys)
    except Resolver404:
        return None


def faults(answer: Any) -> Iterator[str]:
    text = answer.content.decode()
    if hostile.SCRIPT in text or "<img src=x" in text:
        yield "a text is not escaped"
    if len(text) > MOST:
        yield f"it has {len(text)} characters"


# One test: the texts are as large as they may be, and take seconds to make.
def test_texts_are_shown_as_text(client: Client, site: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [*pages(client, site), *terminal(monkeypatch)]
    assert not wrong, "\n".join(["", *wrong])


def pages(client: Client, site: list[str]) -> list[str]:
    """Return what is wrong with the pages and with all that they lead to."""
    found, wrong, visited = list(site), list[str](), set()
    while found:
        address = found.pop(0)
        answer = client.get(address)
        kind = answer.headers.get("Content-Type", "")
        if answer.status_code >= 400:
            wrong.append(f"{address[:200]}: {answer.status_code}")
        elif "json" in kind:
            json.loads(answer.content)
        elif "html" in kind:
            wrong += [f"{address[:200]}: {fault}" for fault in faults(answer)]
            for one in links(Page(answer.content.decode()), address):
                if (named := kind_of(one)) and named not in visited and one not in site:
                    visited.add(named)
                    found.append(one)
    return wrong


def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the subcommands that show texts with their escapes, or as long as they are."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    task = TaskStatus.objects.filter(status="failed").earliest("pk")
    for name in ACTIONS:
        if name in ("follow", "wait", "pause", "resume"):
            continue
        about = [task.task_id] if name in ("show", "why", "stack", "cancel", "retry") else []
        try:
            _code, lines = end(name, *about, out=Terminal())
        except CommandError as error:
            lines = [str(error)]
        text = "\n".join(lines)
        if {"\x1b", "\u202e", "\x07", "\r"} & set(text) or len(text) > 100_000:
            yield f"tasks {name}: {text[:200]!r}"
