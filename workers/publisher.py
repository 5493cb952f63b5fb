"""Senders' connections to Redis: a lone message is handed over without waiting for the answer.

The row is safe by then, so nothing is lost with the answer: the relay publishes what did not arrive. What a sender
saves is a round trip, and all of the wait when Redis is slow.
"""

import logging
import os
from collections import deque
from collections.abc import Sequence
from typing import Any

import redis
from dramatiq import Message

from workers.redis_scripts import BELL_LIMIT, PUBLISH, UNPACK_LIMIT

logger = logging.getLogger(__name__)


class Publisher:
    """One connection. The answer to a lone message is read before the next one is sent.

    Parameters:
      client: Whose address, password and time-outs it has.
      namespace: The first part of every key.
    """

    def __init__(self, client: "redis.Redis", *, namespace: str) -> None:
        self.namespace = namespace
        self.pid = os.getpid()
        self._connection = client.connection_pool.make_connection()
        #: Published, and not answered yet.
        self._unanswered: Sequence[Message[Any]] = ()

    def publish(self, messages: Sequence[Message[Any]]) -> None:
        """Put messages on their queues; those that are there already stay as they are.

        Raises:
          redis.RedisError: Redis is away, or refuses. Of many messages some may be on their queues.
        """
        is_used = self._connection.is_connected
        try:
            self._publish(messages)
        except redis.ConnectionError:
            if not is_used:
                raise
            # It was closed since the last time, as when Redis is started again. Published twice is published once.
            self._connection.disconnect()
            again, self._unanswered = [*self._unanswered, *messages], ()
            self._publish(again)

    def close(self) -> None:
        self._connection.disconnect()

    def _publish(self, messages: Sequence[Message[Any]]) -> None:
        self._take_answer()
        if self._connection.is_connected:
            # Tells of a connection that Redis closed: writing to it would go well, and nowhere.
            self._connection.can_read(timeout=0)
        for start in range(0, len(messages), UNPACK_LIMIT):
            self._take_answer()
            self._send(messages[start : start + UNPACK_LIMIT])
        if len(messages) > 1:
            self._take_answer()

    def _send(self, messages: Sequence[Message[Any]]) -> None:
        words: list[Any] = [BELL_LIMIT]
        for message in messages:
            words += (message.queue_name, message.options["redis_message_id"], message.encode())
        # With its text, and not by its hash: nobody waits to hear that Redis does not know it.
        self._connection.send_command("EVAL", PUBLISH, 1, self.namespace, *words)
        self._unanswered = messages

    def _take_answer(self) -> None:
        if not self._unanswered:
            return
        try:
            self._connection.read_response()
        except redis.ResponseError as error:
            count = len(self._unanswered)
            logger.warning("redis refused, the relay will publish count=%d error=%s", count, error)
        self._unanswered = ()


class Publishers:
    """As many connections as senders at once. Web servers make a thread for each request, so threads keep none."""

    def __init__(self, client: "redis.Redis", *, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self._idle: deque[Publisher] = deque()

    def publish(self, messages: Sequence[Message[Any]]) -> None:
        """As a publisher's. One that failed is not used again."""
        publisher = self._take()
        try:
            publisher.publish(messages)
        except BaseException:
            publisher.close()
            raise
        self._idle.append(publisher)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Publisher:
        while True:
            try:
                publisher = self._idle.pop()
            except IndexError:
                return Publisher(self.client, namespace=self.namespace)
            # A process that was forked has its parent's sockets.
            if publisher.pid == os.getpid():
                return publisher
