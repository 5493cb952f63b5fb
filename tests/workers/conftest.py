"""Fixtures for tests of the workers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest

from tests.acting import tasks
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


class Gate:
    """Where tasks of this and other processes wait, for as long as a test needs them to run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def message(self, nonce: str) -> dramatiq.Message:
        """Return a message whose task runs until the gate opens."""
        return tasks.wait_at.message(str(self.path), nonce)

    def send(self, nonce: str) -> dramatiq.Message:
        return tasks.wait_at.send(str(self.path), nonce)

    def open(self) -> None:
        self.path.touch()


@pytest.fixture
def gate(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Gate]:
    """A closed gate. It opens before the workers of the test are stopped."""
    for name in ("working", "command"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()
