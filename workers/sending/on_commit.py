"""Publish messages when the transaction commits in which their rows were recorded."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from apps.tasks.values import Send
from workers.wire.message import from_send
from workers.wire.queue import WireQueue

T = TypeVar("T")
Publish = Callable[[Sequence[T]], object]


class CommitBatch(Generic[T]):
    """Messages that one transaction, or one savepoint of it, has sent so far. Calling it publishes them all.

    Django keeps each `on_commit` hook with the savepoints that are open, and drops the hook when one of them is rolled
    back. Each set of open savepoints therefore has a batch of its own.
    """

    def __init__(self, publish: Publish[T]) -> None:
        self.publish = publish
        self.messages: list[T] = []
        #: Django logs a failed hook by this name.
        self.__qualname__ = type(self).__qualname__

    def __call__(self) -> None:
        self.publish(self.messages)


def publish_on_commit(messages: Sequence[T], publish: Publish[T], *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Publish when the open transaction commits, in one go with its other sends. Without a transaction, publish now.

    Parameters:
      publish: Must not raise: the rows are committed by then, so the caller has sent.
    """
    connection = connections[using]
    if connection.autocommit:
        publish(messages)
        return
    open_savepoints = set(connection.savepoint_ids)
    for savepoints, hook, _robust in reversed(connection.run_on_commit):  # type: ignore[misc]
        if isinstance(hook, CommitBatch) and savepoints == open_savepoints:
            hook.messages.extend(messages)
            return
    batch = CommitBatch(publish)
    batch.messages.extend(messages)
    connection.on_commit(batch, robust=True)


def pack_sends(sends: Iterable[Send], wire: WireQueue) -> list[Any]:
    """Return the packed messages of the sends that are due now. The relay publishes delayed ones."""
    pack = wire.pack
    return [pack(from_send(send)) for send in sends if not send.delay_ms]


def publish_sends(sends: Iterable[Send], wire: WireQueue) -> None:
    """Publish recorded sends on commit."""
    if packed := pack_sends(sends, wire):
        publish_on_commit(packed, wire.publish_packed)
