"""Fixtures of the docs."""

from collections.abc import Iterator

import dramatiq
import pytest

from apps.tasks.schedules import allowed


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Forget the actors that a test or a block declares."""
    actors = dramatiq.get_broker().actors
    before = set(actors)
    yield
    for name in set(actors) - before:
        del actors[name]
        allowed.offers.pop(name, None)
