"""Contents of the queues, which the audit compares with the rows."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import redis

from workers.wire import scripts
from workers.wire.clients import chunks
from workers.wire.errors import Guard
from workers.wire.keys import Keys
from workers.wire.scripts import UNPACK_LIMIT

logger = logging.getLogger(__name__)

#: Wire ids that are read from a list at once.
READ_PAGE = 5_000


class Count(NamedTuple):
    """Numbers of a queue, all of one instant.

    Parameters:
      waiting: Wire ids in the lists.
      fetched: Wire ids in the acks of living processes.
      messages: Messages in the hash.
    """

    waiting: int
    fetched: int
    messages: int


class Contents(Keys):
    """Messages, lists and acks of the queues of one namespace.

    Parameters:
      client: A client with the time limits of workers.
      guard: Surrounds each command.
    """

    def __init__(self, client: "redis.Redis", *, namespace: str, guard: Guard) -> None:
        super().__init__(namespace)
        self.client = client
        self.guard = guard
        self._present = client.register_script(scripts.PRESENT)
        self._count = client.register_script(scripts.COUNT)
        self._drop = client.register_script(scripts.DROP)
        self._abandon = client.register_script(scripts.ABANDON)

    def present(self, queue_name: str, wire_ids: Sequence[str]) -> list[bool]:
        """Return for each wire id whether Redis has its message. `orphans` tells which of them no worker would get."""
        with self.guard:
            found = self._present(keys=[self.messages_key(queue_name)], args=wire_ids)
        return [bool(one) for one in found]

    def count(self, queue_name: str, broker_ids: Iterable[str]) -> Count:
        """Return the numbers of a queue and delete its damaged keys.

        Parameters:
          broker_ids: Living processes.
        """
        keys = [self.queue_key(queue_name), self.messages_key(queue_name), self.bell_key(queue_name)]
        with self.guard:
            *numbers, damaged = self._count(keys=[*keys, *(self.acks_key(queue_name, one) for one in broker_ids)])
        log_damaged(damaged, queue_name)
        return Count(*numbers)

    def orphans(self, queue_name: str, broker_ids: Iterable[str]) -> set[bytes]:
        """Return the wire ids of messages that neither wait in a list nor are fetched by one of these processes.

        A message that moves meanwhile may be among them: only one that two calls return is an orphan.
        """
        with self.guard:
            # Before the list: what is published meanwhile is not among them.
            found = set(self._wire_ids(queue_name))
            found.difference_update(self._waiting(queue_name))
            for broker_id in broker_ids:
                found.difference_update(self.client.smembers(self.acks_key(queue_name, broker_id)))
        return found

    def _wire_ids(self, queue_name: str) -> Iterator[bytes]:
        """Yield the wire ids of a queue's messages, without the messages, which may be large."""
        key = self.messages_key(queue_name)
        try:
            yield from self.client.hscan_iter(key, count=1_000, no_values=True)
        except redis.ResponseError:  # Redis before 7.4.
            yield from self.client.hkeys(key)  # type: ignore[misc]

    def _waiting(self, queue_name: str) -> Iterator[bytes]:
        """Yield the wire ids in a queue's lists, in pages from the tail: workers take from the head meanwhile."""
        levels: Any = self.client.zrange(self.levels_key(queue_name), 0, -1, withscores=True)
        for key in {self.queue_key(queue_name), *(self.level_key(queue_name, int(level)) for _, level in levels)}:
            end = -1
            while page := self.client.lrange(key, end - READ_PAGE + 1, end):
                yield from page  # type: ignore[misc]
                end -= READ_PAGE

    def drop(self, queue_name: str, wire_ids: Collection[bytes | str]) -> None:
        """Delete messages that no worker would get, so that they can be published again."""
        with self.guard:
            for chunk in chunks(wire_ids, UNPACK_LIMIT):
                self._drop(keys=[self.messages_key(queue_name), self.priorities_key(queue_name)], args=chunk)

    def abandon(self, queue_name: str) -> None:
        """Delete what is left of a queue that has no messages."""
        with self.guard:
            self._abandon(keys=[self.queue_key(queue_name)])


def log_damaged(count: int, queue_name: str) -> None:
    """Log that keys were deleted since they were of another type."""
    if count:
        logger.error("keys of another type deleted count=%d queue=%s", count, queue_name)
