"""Publish messages when the transaction commits in which their rows were recorded."""

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from apps.tasks import progress
from apps.tasks.values import Send
from workers.wire.message import words_of_line, words_of_send
from workers.wire.queue import WireQueue

T = TypeVar("T")
Publish = Callable[[Sequence[T]], object]

#: The commit batches of each connection's transaction. Django has the only lasting references, so a batch that was
#: rolled back is gone.
_batches: "weakref.WeakKeyDictionary[Any, list[weakref.ref[CommitBatch[Any]]]]" = weakref.WeakKeyDictionary()


class CommitBatch(Generic[T]):
    """Messages that one transaction, or one savepoint of it, has sent so far.

    Django keeps each `on_commit` hook with the savepoints that are open, and drops the hook when one of them is rolled
    back. Each set of open savepoints therefore has a batch of its own. The first one that Django calls publishes all:
    a hook of another app that raises ends the calls, and a batch for each row would be a round trip for each.

    Parameters:
      place: Its place among the connection's hooks, unless a savepoint was rolled back.
    """

    def __init__(self, publish: Publish[T], *, connection: Any, place: int) -> None:
        self.publish = publish
        self.connection = connection
        self.place = place
        self.messages: list[T] = []
        #: Django logs a failed hook by this name.
        self.__qualname__ = type(self).__qualname__

    def __call__(self) -> None:
        messages = self._take()
        # In a test's transaction, which never commits, hooks are called one by one.
        if not self.connection.in_atomic_block:
            others = [batch for ref in _batches.pop(self.connection, ()) if (batch := ref())]
            messages += [message for batch in others if batch.publish == self.publish for message in batch._take()]
        if messages:
            # The locks of publishers are other threads', too.
            with progress.shielded():
                self.publish(messages)

    def _take(self) -> list[T]:
        messages, self.messages = self.messages, []
        return messages


def is_by_hand(*, using: str = DEFAULT_DB_ALIAS) -> bool:
    """Return whether the caller commits by hand, with autocommit switched off. Django then calls no hooks."""
    connection: Any = connections[using]
    if connection.connection is None:
        # Not connected yet, or no more: `autocommit` says nothing then.
        return not connection.settings_dict["AUTOCOMMIT"]
    return not connection.autocommit and not (connection.in_atomic_block and connection.commit_on_exit)


def publish_on_commit(messages: Sequence[T], publish: Publish[T], *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Publish when the open transaction commits, in one go with its other sends. Without a transaction, publish now.

    If the caller commits by hand, nothing is published here: the relay finds the rows.

    Parameters:
      publish: Must not raise: the rows are committed by then, so the caller has sent.
    """
    connection: Any = connections[using]
    if connection.autocommit:
        publish(messages)
    elif not is_by_hand(using=using):
        _batch_of(connection, publish).messages.extend(messages)


def _batch_of(connection: Any, publish: Publish[T]) -> CommitBatch[T]:
    """Return the last batch if it has the same open savepoints, else a new one."""
    hooks = connection.run_on_commit
    batches = _batches.setdefault(connection, [])
    if not hooks:
        batches.clear()
    last = batches[-1]() if batches else None
    if last is not None and last.publish == publish and last.place < len(hooks):
        savepoints, hook, _robust = hooks[last.place]
        if hook is last and savepoints == set(connection.savepoint_ids):
            found: CommitBatch[T] = last
            return found
    batch = CommitBatch(publish, connection=connection, place=len(hooks))
    batches.append(weakref.ref(batch))
    connection.on_commit(batch, robust=True)
    return batch


def pack_sends(sends: Iterable[Send], wire: WireQueue) -> list[Any]:
    """Return the packed messages of the sends that are due now. The relay publishes delayed ones.

    It also publishes those with a line, once they have a place. Instead of the message it gets the name of the line.
    """
    pack = wire.pack
    return [
        pack(words_of_send(send) if send.line is None else words_of_line(send.task_name, send.line))
        for send in sends
        if not send.delay_ms
    ]


def publish_sends(sends: Iterable[Send], wire: WireQueue) -> None:
    """Publish recorded sends on commit."""
    if packed := pack_sends(sends, wire):
        publish_on_commit(packed, wire.publish_packed)
