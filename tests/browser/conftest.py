"""A real Chromium before a real web server."""

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from apps.accounts.models import User
from tests.browser import chromium
from tests.commands import RunningCommand, environment
from tests.conftest import database_url
from tests.plugin import SERVERS
from workers.embedded.server import free_port

#: Generous, for a machine that does other work at the same time.
TIMEOUT_MS = 60_000
expect.set_options(timeout=TIMEOUT_MS)
#: Largest file that the server takes.
LIMIT_BYTES = 2 * 1024**2
PASSWORD = "sense-and-sensibility"


@dataclass
class Seen:
    """Errors and foreign requests of a page, which a test refuses.

    Parameters:
      errors: Errors and warnings of the console.
      elsewhere: Addresses of requests to another host.
      expected: Parts of the errors that a test provokes.
    """

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def notice(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            self.elsewhere.append(request.url)

    @property
    def unexpected(self) -> list[str]:
        return [error for error in self.errors if not any(part in error for part in self.expected)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of a file."""
    # Playwright keeps an event loop in this thread, in which Django would refuse a query.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        found = chromium.launch(playwright)
        yield found
        found.close()


@pytest.fixture
def jane(transactional_db: None) -> User:
    return User.objects.create_user("jane", password=PASSWORD)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def new_page(browser: Browser, seen: Seen) -> Iterator[Callable[..., Page]]:
    """Open a page in a browser of its own. Keywords are Playwright's for `new_context`.

    At the end the console must have no unexpected error, and no other host may have had a request.
    """
    contexts: list[BrowserContext] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on("console", seen.hear)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("request", seen.notice)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert seen.unexpected == []
    assert seen.elsewhere == []


@pytest.fixture(scope="module")
def address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_setup: None
) -> Iterator[str]:
    """The address of the site, which a process of its own serves for the tests of a file."""
    port = free_port()
    watchdog = request.config.stash[SERVERS].watchdog
    assert watchdog is not None
    started = RunningCommand(
        *(sys.executable, "-m", "uvicorn", "aiWriting.asgi:application", "--port", str(port)),
        *("--timeout-graceful-shutdown", "1"),
        env=environment(DATABASE_URL=database_url(), DOCUMENT_MAX_UPLOAD_BYTES=str(LIMIT_BYTES)),
        log=tmp_path_factory.mktemp("web") / "web.log",
        watchdog=watchdog,
    )
    started.good_ends = {0, -signal.SIGTERM}  # Uvicorn shuts down cleanly and then passes the signal on.
    try:
        started.wait_for("Uvicorn running")
        yield f"http://127.0.0.1:{port}"
    finally:
        started.end()
    assert "Traceback" not in started.output, started.output


@pytest.fixture
def signed_in(new_page: Callable[..., Page], client: Client, jane: User, address: str) -> Callable[..., Page]:
    """Open a page in a browser in which jane is signed in."""

    def open_page(path: str = "/", **options: Any) -> Page:
        client.force_login(jane)
        page = new_page(base_url=address, **options)
        name = settings.SESSION_COOKIE_NAME
        page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])
        page.goto(path)
        return page

    return open_page
