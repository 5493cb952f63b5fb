"""Senders' connections to Redis: a lone message is handed over without waiting for the answer.

The row is safe by then, so nothing is lost with the answer: the relay publishes what did not arrive. What a sender
saves is a round trip, and all of the wait when Redis is slow.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from dramatiq import Message

from workers.redis_scripts import BELL_LIMIT, PUBLISH, UNPACK_LIMIT

logger = logging.getLogger(__name__)

#: Of what `pack` makes.
WORDS_OF_A_MESSAGE = 3
#: For so long a connection that was open is taken for open.
SETTLED_SECONDS = 0.05


def pack(message: Message[Any]) -> bytes:
    """A message as the three words that the script takes for it, in Redis's protocol."""
    words = (message.queue_name.encode(), message.options["redis_message_id"].encode(), message.encode())
    return b"".join(map(_bulk, words))


def _bulk(word: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(word), word)


class Publisher:
    """One connection. The answer to a lone message is read before the next one is sent.

    Parameters:
      client: Whose address, password and time-outs it has.
      namespace: The first part of every key.
    """

    def __init__(self, client: "redis.Redis", *, namespace: str) -> None:
        self.pid = os.getpid()
        pool = client.connection_pool
        # Not one of the pool's: it counts what it made, and would make no more some day.
        self._connection = pool.connection_class(**pool.connection_kwargs)
        # With its text, and not by its hash: nobody waits to hear that Redis does not know it.
        words = (b"EVAL", PUBLISH.encode(), b"1", namespace.encode(), b"%d" % BELL_LIMIT)
        self._command, self._command_words = b"".join(map(_bulk, words)), len(words)
        #: Published, and not answered yet.
        self._unanswered: Sequence[bytes] = ()
        #: What was wrong with the last answer.
        self._trouble: Exception | None = None
        #: When the connection was last seen open, by the monotonic clock, if nothing was written since.
        self._settled_at = 0.0

    def settle(self) -> None:
        """Read the answer to what was published last, and notice whether Redis closed the connection since.

        It raises nothing and logs nothing: `publish` tells what was wrong.
        """
        if self._trouble is None and self._connection.is_connected:
            try:
                if self._unanswered:
                    self._connection.read_response()
                    self._unanswered = ()
                # Tells of a connection that Redis closed: writing to it would go well, and nowhere.
                self._connection.can_read(timeout=0)
                self._settled_at = time.monotonic()
            except Exception as error:
                self._trouble = error

    def publish(self, packed: Sequence[bytes]) -> None:
        """Put packed messages on their queues; those that are there already stay as they are.

        Raises:
          redis.RedisError: Redis is away. Of many messages some may be on their queues.
        """
        is_used = self._connection.is_connected or self._trouble is not None
        try:
            self._publish(packed)
        except redis.ConnectionError:
            if not is_used:
                raise
            # It was closed since the last time, as when Redis is started again. Published twice is published once.
            self._connection.disconnect()
            again, self._unanswered = [*self._unanswered, *packed], ()
            self._publish(again)

    def close(self) -> None:
        self._connection.disconnect()

    def _publish(self, packed: Sequence[bytes]) -> None:
        if self._trouble is not None or time.monotonic() - self._settled_at > SETTLED_SECONDS:
            self._take_answer()
        for start in range(0, len(packed), UNPACK_LIMIT):
            if self._unanswered:
                self._take_answer()
            self._send(packed[start : start + UNPACK_LIMIT])
        if len(packed) > 1:
            self._take_answer()

    def _send(self, packed: Sequence[bytes]) -> None:
        head = b"*%d\r\n" % (self._command_words + WORDS_OF_A_MESSAGE * len(packed))
        self._connection.send_packed_command([b"".join((head, self._command, *packed))])
        self._unanswered, self._settled_at = packed, 0.0

    def _take_answer(self) -> None:
        self.settle()
        trouble, self._trouble = self._trouble, None
        if isinstance(trouble, redis.ResponseError):
            count, self._unanswered = len(self._unanswered), ()
            logger.warning("redis refused, the relay will publish count=%d error=%s", count, trouble)
        elif trouble is not None:
            raise trouble


class Publishers:
    """As many connections as senders at once. Web servers make a thread for each request, so threads keep none."""

    def __init__(self, client: "redis.Redis", *, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self._idle: deque[Publisher] = deque()

    def publish(self, packed: Sequence[bytes]) -> None:
        """As a publisher's. One that failed is not used again."""
        with self._one() as publisher:
            publisher.publish(packed)

    def settle(self) -> None:
        """Let the one that publishes next have nothing to wait for. As a publisher's."""
        with self._one() as publisher:
            publisher.settle()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _one(self) -> Iterator[Publisher]:
        publisher = self._take()
        try:
            yield publisher
        except BaseException:
            publisher.close()
            raise
        self._idle.append(publisher)

    def _take(self) -> Publisher:
        while True:
            try:
                publisher = self._idle.pop()
            except IndexError:
                return Publisher(self.client, namespace=self.namespace)
            # A process that was forked has its parent's sockets.
            if publisher.pid == os.getpid():
                return publisher
