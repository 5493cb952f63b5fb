"""Publish messages without waiting for the answer of Redis.

The rows are safe by then, so nothing is lost with an answer: the relay publishes a message that did not arrive. A
sender saves a round trip, and the whole wait while Redis is slow.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TypeVar

import redis

from workers.wire import unpublished
from workers.wire.errors import translated
from workers.wire.message import Words
from workers.wire.scripts import BELL_LIMIT, PUBLISH, UNPACK_LIMIT

logger = logging.getLogger(__name__)

#: Words of the PUBLISH script for one message: level, wire id, message.
WORDS_OF_A_MESSAGE = 3
#: Seconds in which a connection that was seen open is taken for open.
SETTLED_SECONDS = 0.05
#: Bytes of one command, unless a single message has more. Each command must be answered within the time limit.
CHUNK_BYTES = 1_000_000
#: Seconds that a sender may take for all commands of one commit batch. The relay publishes the rest.
BATCH_SECONDS = 2.0

T = TypeVar("T")


def pack(words: Words) -> bytes:
    """Return the words of a message in Redis's protocol."""
    level, wire_id, message = words
    return b"$%d\r\n%s\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (
        len(level), level, len(wire_id), wire_id, len(message), message,
    )  # fmt: skip


def _bulk(word: bytes) -> bytes:
    """Return a word as a bulk string of Redis's protocol."""
    return b"$%d\r\n%s\r\n" % (len(word), word)


def words_size(packed: Sequence[bytes]) -> int:
    """Return the number of bytes of a message's words."""
    return sum(map(len, packed))


def bounded(packed: Sequence[T], *, size: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """Yield the messages in runs that fit into one command: at most `UNPACK_LIMIT` of them and `CHUNK_BYTES`."""
    start, total = 0, 0
    for index, one in enumerate(packed):
        total += size(one)
        if index > start and (total > CHUNK_BYTES or index - start == UNPACK_LIMIT):
            yield packed[start:index]
            start, total = index, size(one)
    if start < len(packed):
        yield packed[start:]


def _in_time(runs: Iterator[Sequence[T]]) -> Iterator[Sequence[T]]:
    """Yield the runs until `BATCH_SECONDS` are over.

    Raises:
      redis.TimeoutError: There are more.
    """
    deadline = time.monotonic() + BATCH_SECONDS
    for run in runs:
        if time.monotonic() > deadline:
            raise redis.TimeoutError(f"The messages of one commit took longer than {BATCH_SECONDS:g} s.")
        yield run


class Publisher:
    """One connection. The answer to a single message is read before the next one is sent.

    Parameters:
      client: Gives the address, the password and the time limits.
      namespace: First part of every key.
    """

    def __init__(self, client: "redis.Redis", *, namespace: str) -> None:
        self.pid = os.getpid()
        pool = client.connection_pool
        # Not one of the pool's connections: the pool counts those it made, and would make no more some day.
        self.connection = pool.connection_class(**pool.connection_kwargs)
        # With the script's text, not its hash: an answer that Redis does not know the hash would not be waited for.
        command = (b"EVAL", PUBLISH.encode(), b"1", f"{namespace}:".encode(), b"%d" % BELL_LIMIT)
        self._command, self._command_words = b"".join(map(_bulk, command)), len(command)
        #: Published and not answered yet.
        self._unanswered: Sequence[bytes] = ()
        #: Error of the last answer.
        self._error: Exception | None = None
        #: When the connection was last seen open, by the monotonic clock. 0: something was written since.
        self._settled_at = 0.0

    def settle(self, *, wait: bool = True) -> None:
        """Read the answer to the last messages, and notice whether Redis has closed the connection since.

        Raises nothing and logs nothing: `publish` tells of an error.

        Parameters:
          wait: False: only read an answer that is there. It takes a while until the next message is published.
        """
        if self._error is None and self.connection.is_connected:
            try:
                if self._unanswered:
                    if not wait and not self.connection.can_read(timeout=0):
                        return
                    self.connection.read_response()
                    self._unanswered = ()
                if wait:
                    # Notices a connection that Redis closed. A write would succeed, and arrive nowhere.
                    self.connection.can_read(timeout=0)
                    self._settled_at = time.monotonic()
            except Exception as error:
                self._error = translated(error)

    def publish(self, packed: Sequence[bytes], *, wait: bool = False) -> None:
        """Put packed messages on their queues. Messages that are there already stay as they are.

        Parameters:
          wait: Also wait for the answer to a single message.

        Raises:
          redis.RedisError: Redis is away. Some of several messages may be on their queues.
        """
        is_used = self.connection.is_connected or self._error is not None
        try:
            self._publish(packed)
        except redis.ConnectionError:
            if not is_used:
                raise
            # The connection was closed since the last time, as by a restart of Redis, or leads to one that is no longer
            # the primary. Publishing twice has no effect.
            self.connection.disconnect()
            again, self._unanswered = [*self._unanswered, *packed], ()
            self._publish(again)
        if wait:
            self._take_answer()

    def close(self) -> None:
        """Close the connection."""
        self.connection.disconnect()

    def _publish(self, packed: Sequence[bytes]) -> None:
        if self._error is not None or time.monotonic() - self._settled_at > SETTLED_SECONDS:
            self._take_answer()
        if len(packed) == 1:
            if self._unanswered:
                self._take_answer()
            self._send(packed)
            return
        for run in _in_time(bounded(packed, size=len)):
            if self._unanswered:
                self._take_answer()
            self._send(run)
        self._take_answer()

    def _send(self, packed: Sequence[bytes]) -> None:
        head = b"*%d\r\n" % (self._command_words + WORDS_OF_A_MESSAGE * len(packed))
        self.connection.send_packed_command([b"".join((head, self._command, *packed))])
        self._unanswered, self._settled_at = packed, 0.0

    def _take_answer(self) -> None:
        self.settle()
        error, self._error = self._error, None
        if isinstance(error, redis.ResponseError):
            count, self._unanswered = len(self._unanswered), ()
            unpublished.add(count)
            logger.warning("redis refused, the relay will publish count=%d error=%s", count, error)
        elif error is not None:
            raise error


class Publishers:
    """As many connections as there are senders at once.

    Threads keep none, since a web server makes a thread for each request.
    """

    pack = staticmethod(pack)
    size = staticmethod(len)

    def __init__(self, client: "redis.Redis", *, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        #: Publishers that are not in use, the latest last.
        self.idle: deque[Publisher] = deque()

    def publish(self, packed: Sequence[bytes], *, wait: bool = False) -> None:
        """Publish as a publisher does. A publisher that failed is not used again."""
        with self._one() as publisher:
            publisher.publish(packed, wait=wait)

    def settle(self, *, wait: bool = True) -> None:
        """Settle the publisher that is used next."""
        with self._one() as publisher:
            publisher.settle(wait=wait)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self.idle:
            self.idle.pop().close()

    @contextmanager
    def _one(self) -> Iterator[Publisher]:
        publisher = self._take()
        try:
            yield publisher
        except BaseException:
            publisher.close()
            raise
        self.idle.append(publisher)

    def _take(self) -> Publisher:
        while True:
            try:
                publisher = self.idle.pop()
            except IndexError:
                return Publisher(self.client, namespace=self.namespace)
            # A forked process has the sockets of its parent.
            if publisher.pid == os.getpid():
                return publisher


class PlainPublishers:
    """Publishes with redis-py's own commands and waits for each answer: the off position of `TASK_FAST_PATH`."""

    size = staticmethod(words_size)

    def __init__(self, client: "redis.Redis", *, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self._publish = client.register_script(PUBLISH)

    @staticmethod
    def pack(words: Words) -> Words:
        """Return the words as they are."""
        return words

    def publish(self, packed: Sequence[tuple[bytes, bytes, bytes]], *, wait: bool = False) -> None:
        """Put messages on their queues. Messages that are there already stay as they are.

        Raises:
          redis.RedisError: Redis is away. Some of several messages may be on their queues.
        """
        for run in _in_time(bounded(packed, size=words_size)):
            try:
                self._publish(keys=[f"{self.namespace}:"], args=[BELL_LIMIT, *chain.from_iterable(run)])
            except redis.ResponseError as error:
                if (found := translated(error)) is not error:
                    raise found from error
                unpublished.add(len(run))
                logger.warning("redis refused, the relay will publish count=%d error=%s", len(run), error)

    def settle(self, *, wait: bool = True) -> None:
        """Do nothing: every answer was waited for."""

    def close(self) -> None:
        """Close the client's connections that are not in use."""
        self.client.connection_pool.disconnect(inuse_connections=False)
