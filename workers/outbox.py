"""Messages that wait for the commit of the transaction in which their rows were recorded."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

T = TypeVar("T")
Publish = Callable[[Sequence[T]], object]


class Outbox(Generic[T]):
    """What one transaction, or one savepoint of it, has sent so far. Called, it publishes all of it.

    Django keeps the hooks of `on_commit` with the savepoints that were open at the time, and drops a hook
    when one of these is rolled back. So the messages of each set of open savepoints have a hook of their own.
    """

    def __init__(self, publish: Publish[T]) -> None:
        self.publish = publish
        self.messages: list[T] = []
        #: By which Django calls a hook that failed, in its log.
        self.__qualname__ = type(self).__qualname__

    def __call__(self) -> None:
        self.publish(self.messages)


def publish_on_commit(messages: Sequence[T], publish: Publish[T], *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Publish when the open transaction commits, in one go with what else it sends; without one, at once.

    Parameters:
      publish: Raises nothing: the rows are committed, so their sender has sent.
    """
    connection = connections[using]
    if connection.autocommit:  # Committed already.
        publish(messages)
        return
    open_savepoints = set(connection.savepoint_ids)
    for savepoints, hook, _robust in reversed(connection.run_on_commit):  # type: ignore[misc]
        if isinstance(hook, Outbox) and savepoints == open_savepoints:
            hook.messages.extend(messages)
            return
    outbox = Outbox(publish)
    outbox.messages.extend(messages)
    connection.on_commit(outbox, robust=True)
