"""Django's ASGI application with threads that are kept."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse

from aiWriting.handler import IDLE_SECONDS, Handler

#: Threads and connections of the requests, as the middleware saw them.
seen: list[tuple[int, int]] = []
#: Requests wait in the middleware for as many others.
together = threading.Barrier(1)

GetResponse = Callable[[HttpRequest], HttpResponse]


def noting(get_response: GetResponse) -> GetResponse:
    """Middleware that notes its thread and its connection."""

    def middleware(request: HttpRequest) -> HttpResponse:
        connection.ensure_connection()
        seen.append((threading.get_ident(), id(connection.connection)))
        together.wait(30)
        return get_response(request)

    return middleware


@pytest.fixture
def handler(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handler]:
    # The second one would be a step of its own on the event loop, between two in the thread.
    settings.MIDDLEWARE = [f"{__name__}.noting", "django.middleware.common.CommonMiddleware", f"{__name__}.noting"]
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 60)
    seen.clear()
    handler = Handler(kept=1)
    yield handler
    handler.close()


async def answer(handler: Handler, **changes: Any) -> int:
    """Ask for `/healthz` and return the status."""
    scope = {
        "type": "http", "method": "GET", "path": "/healthz", "query_string": b"", "headers": [(b"host", b"localhost")],
        **changes,
    }  # fmt: skip
    messages: list[dict[str, Any]] = [{"type": "http.request"}]
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Future()
        return messages.pop()

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    await handler(scope, receive, send)
    return int(answers[0]["status"])


def test_requests_have_one_thread_after_the_other_with_one_connection(handler: Handler) -> None:
    async def run() -> list[int]:
        return [await answer(handler) for _ in range(3)]

    assert asyncio.run(run()) == [200] * 3
    assert len(seen) == 6
    assert len(set(seen)) == 1


def test_no_more_threads_are_kept_than_asked_for(
    handler: Handler, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    monkeypatch.setattr(f"{__name__}.together", threading.Barrier(3))

    async def run() -> list[int]:
        return await asyncio.gather(*(answer(handler) for _ in range(3)))

    assert asyncio.run(run()) == [200] * 3
    threads = {ident for ident, _ in seen}
    assert len(threads) == 3
    wait_until(lambda: len(threads & {thread.ident for thread in threading.enumerate()}) == 1)


def test_threads_without_a_request_end(handler: Handler, wait_until: Callable[..., Any]) -> None:
    now = 0.0
    idle = Handler(kept=2, now=lambda: now)

    async def run() -> None:
        nonlocal now
        await asyncio.gather(answer(idle), answer(idle))
        now = IDLE_SECONDS + 1
        await answer(idle)

    asyncio.run(run())
    threads = {ident for ident, _ in seen}
    wait_until(lambda: threads & {thread.ident for thread in threading.enumerate()} == {seen[-1][0]})
    idle.close()


def test_a_connection_that_is_no_request_is_refused(handler: Handler) -> None:
    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(answer(handler, type="websocket"))
