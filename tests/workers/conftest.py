"""Fixtures for tests of the workers."""

from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest

from workers.broker import LedgerBroker


@pytest.fixture
def declare(broker: LedgerBroker) -> Iterator[Callable[..., Any]]:
    """Declare an actor for this test only."""
    names = []

    def declare(fn: Callable[..., Any], **options: Any) -> Any:
        actor = dramatiq.actor(actor_name=f"acting.{fn.__name__}", **options)(fn)
        names.append(actor.actor_name)
        return actor

    yield declare
    for name in names:
        del broker.actors[name]
