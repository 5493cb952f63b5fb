"""The site behind a real ASGI server in a thread of the test's own process, and a reader of its event streams."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from aiWriting.handler import Handler
from tests.waiting import wait_until

TIMEOUT_SECONDS = 60


@contextmanager
def serving(application: Any = None, *, http: Any = "auto", grace_seconds: int = 5) -> Iterator[int]:
    """Serve the site without its outermost layer, or another ASGI application. The value is the port.

    Parameters:
      http: Uvicorn's protocol class.
      grace_seconds: Seconds that requests may go on at the end. One that is cut off leaves its connections open.
    """
    handler = Handler(kept=4)
    config = uvicorn.Config(
        application or handler,
        host="127.0.0.1",
        port=0,
        http=http,
        proxy_headers=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=grace_seconds,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        handler.close()


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event, or a comment, which has neither name nor data."""

    name: str = ""
    id: str = ""
    data: Any = None
    comment: str = ""
    retry: str = ""


class EventStream:
    """The events of a path, as they arrive."""

    def __init__(self, port: int, path: str, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self.connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        self.response = self.connection.getresponse()

    def __enter__(self) -> "EventStream":
        return self

    def __exit__(self, *exception: object) -> None:
        self.response.close()
        self.connection.close()

    def next(self) -> Event | None:
        """Return the next event. None: the server ended the stream."""
        lines = []
        while line := self.response.readline().decode().rstrip("\n"):
            lines.append(line)
        return parsed(lines) if lines else None

    def next_with_name(self) -> Event | None:
        """Return the next event that is no comment."""
        while (event := self.next()) is not None and event.comment:
            pass
        return event


def parsed(lines: list[str]) -> Event:
    if lines[0].startswith(":"):
        return Event(comment=lines[0][1:].strip())
    fields = dict(line.split(": ", 1) for line in lines)
    return Event(name=fields["event"], id=fields["id"], data=json.loads(fields["data"]), retry=fields.get("retry", ""))
