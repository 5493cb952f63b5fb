"""The site behind its outermost layer, and requests to it byte by byte."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from aiWriting.gate.connection import Connection
from aiWriting.gate.gate import Gate
from aiWriting.handler import Handler
from tests.gate.raw import Raw
from tests.web import serving

Connect = Callable[[], Raw]

LIMITS: dict[str, Any] = {"proxies": (), "requests": 8, "per_client": 64, "streams_per_client": 64}


@pytest.fixture
def serve() -> Iterator[Callable[..., Connect]]:
    """Serve an application behind the layer: `serve(application, requests=1)` returns a function that connects."""
    handler = Handler(kept=4)
    with ExitStack() as stack:
        stack.callback(handler.close)

        def start(application: Any = None, **limits: Any) -> Connect:
            gate = Gate(application or handler, **{**LIMITS, **limits})
            port = stack.enter_context(serving(gate, http=Connection, grace_seconds=20))
            return lambda: stack.enter_context(Raw(socket.create_connection(("127.0.0.1", port))))

        yield start


@pytest.fixture
def connect(transactional_db: None, serve: Callable[..., Connect]) -> Connect:
    """Connect to the site. It ends before the database does."""
    return serve()
