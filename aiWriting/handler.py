"""Django's ASGI application, with threads that are kept from request to request."""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.connections import keep_between_requests
from apps.tasks.api import events

#: Seconds after which a thread that had no request ends, with its connection.
IDLE_SECONDS = 60.0

#: The thread of the request that this context answers, until it goes to another one.
_own: ContextVar[list[ThreadPoolExecutor]] = ContextVar("aiwriting_thread_of_request")


class Handler(ASGIHandler):
    """Answers each request in one thread, and keeps the thread with its database connection for another request.

    Django's own has a new thread, and so a new connection, for each request. It goes back to the event loop between
    two pieces of middleware, and each time the request waits until both the loop and the thread have their turn.

    Parameters:
      kept: Threads that are kept.
      now: The clock, in seconds.
    """

    def __init__(self, *, kept: int, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._kept = kept
        self._now = now
        #: Threads without a request, and since when. The last one that had a request is the last one.
        self._free: deque[tuple[ThreadPoolExecutor, float]] = deque()

    def load_middleware(self, is_async: bool = False) -> None:
        """Load the middleware for threads. All views of the site run in them."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is served, not {scope['type']}.")
        thread = self._free.pop()[0] if self._free else _new_thread()
        own = [thread]
        _own.set(own)
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self.handle(scope, receive, send)
        finally:
            self._take_back(own)

    async def send_response(self, response: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        if response.headers.get("Content-Type", "").startswith(events.CONTENT_TYPE):
            # It lasts for minutes, and needs the thread for a moment now and then, between two pieces of other work.
            self._take_back(_own.get())
        await super().send_response(response, send)

    def _take_back(self, own: list[ThreadPoolExecutor]) -> None:
        while own:
            self._free.append((own.pop(), self._now()))
        while len(self._free) > self._kept or (self._free and self._free[0][1] < self._now() - IDLE_SECONDS):
            _end(self._free.popleft()[0], waits=False)

    def close(self) -> None:
        """End the threads that are kept, with their connections, and keep none of those that are still at work."""
        self._kept = 0
        while self._free:
            _end(self._free.pop()[0], waits=True)


def _new_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="request", initializer=keep_between_requests)


def _end(thread: ThreadPoolExecutor, *, waits: bool) -> None:
    thread.submit(connections.close_all)
    thread.shutdown(wait=waits)
