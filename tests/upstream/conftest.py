"""Fixtures of the tests with other people's packages."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dramatiq import Middleware

from tests.workers.conftest import declare as declare
from workers.broker import LedgerBroker


@pytest.fixture
def install(broker: LedgerBroker, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Add middleware as its guide does, and then start a worker."""
    before = list(broker.middleware)

    def install(*middleware: Middleware, **place: Any) -> None:
        for one in middleware:
            broker.add_middleware(one, **place)
        request.getfixturevalue("working")

    yield install
    broker.middleware[:] = before
