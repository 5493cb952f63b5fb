"""Redis as the fast wire: publish, fetch, ack and requeue messages in few round trips."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

import redis
from dramatiq import Message
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from workers.wire import scripts
from workers.wire.publisher import PlainPublishers, Publishers
from workers.wire.scripts import UNPACK_LIMIT

logger = logging.getLogger(__name__)

#: Seconds that a sender waits for Redis at most, to connect and for each answer. The row is safe already.
PUBLISH_TIMEOUT_SECONDS = 0.3
#: Seconds in which senders leave a Redis alone that did not answer. The relay publishes meanwhile.
BREAKER_SECONDS = 2.0
#: Seconds after which the bell that ends the waits of a stopping process expires.
STOP_BELL_SECONDS = 60
#: Seconds that a worker waits for an answer. Longer than any blocking command.
WORK_TIMEOUT_SECONDS = 5.0

#: Lets a wire id of another program, which may be any bytes, become a text and bytes again.
ODD_BYTES = "surrogateescape"

#: Connections of a client, at most.
MAX_CONNECTIONS = 2**31

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def client(url: str, *, timeout_seconds: float) -> "redis.Redis":
    """Return a client that raises at once when Redis is away, without hidden retries."""
    # As many connections as there are threads: a limit would be taken for a Redis that is away.
    found = redis.Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), max_connections=MAX_CONNECTIONS, encoding_errors=ODD_BYTES
    )
    # Not from the URL: waits for a bell are shorter than this, and senders must not wait long.
    limits = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
    found.connection_pool.connection_kwargs.update(limits)
    return found


class WireQueue:
    """The queues of one namespace in one Redis.

    Parameters:
      url: Address of Redis, with any options that redis-py reads from a URL.
      namespace: First part of every key.
      fast_path: False: publish with redis-py's commands, and wait for each answer.
    """

    def __init__(self, url: str, *, namespace: str, fast_path: bool = True) -> None:
        self.namespace = namespace
        self.senders = client(url, timeout_seconds=PUBLISH_TIMEOUT_SECONDS)
        self.workers = client(url, timeout_seconds=WORK_TIMEOUT_SECONDS)
        self.publishers: Any = (Publishers if fast_path else PlainPublishers)(self.senders, namespace=namespace)
        #: Returns a message in the form that `publish_packed` takes.
        self.pack = self.publishers.pack
        #: Wait for the answer to every message. For tests that look into Redis after a send.
        self.is_synchronous = False
        self._fetch = self.workers.register_script(scripts.FETCH)
        self._ack = self.workers.register_script(scripts.ACK)
        self._requeue = self.workers.register_script(scripts.REQUEUE)
        self._requeue_as = self.workers.register_script(scripts.REQUEUE_AS)
        self._present = self.workers.register_script(scripts.PRESENT)
        self._closed_until = 0.0

    # --- Keys ---

    def queue_key(self, queue_name: str) -> str:
        """Return the key of a queue's list of wire ids."""
        return f"{self.namespace}:{queue_name}"

    def messages_key(self, queue_name: str) -> str:
        """Return the key of a queue's hash of messages."""
        return f"{self.namespace}:{queue_name}.msgs"

    def bell_key(self, queue_name: str) -> str:
        """Return the key of a queue's bell."""
        return f"{self.namespace}:{queue_name}.bell"

    def stop_bell_key(self, broker_id: str) -> str:
        """Return the key of the bell that tells the consumers of a process to stop waiting."""
        return f"{self.namespace}:__stop__.{broker_id}"

    def acks_key(self, queue_name: str, broker_id: str) -> str:
        """Return the key of the set of wire ids that a process has fetched and not acked."""
        return f"{self.namespace}:__acks__.{broker_id}.{queue_name}"

    def _keys_of(self, queue_name: str, broker_id: str) -> list[str]:
        return [
            self.queue_key(queue_name),
            self.messages_key(queue_name),
            self.acks_key(queue_name, broker_id),
            self.bell_key(queue_name),
        ]

    # --- Senders ---

    def publish(self, messages: Iterable[Message[Any]]) -> bool:
        """Put messages on their queues. Messages that are there already stay as they are.

        Returns:
          False if Redis cannot be reached, or could not a moment ago. The relay publishes them then.
        """
        return self.publish_packed([self.pack(message) for message in messages])

    def publish_packed(self, packed: Sequence[Any]) -> bool:
        """Publish messages that `pack` returned, as `publish` does."""
        if time.monotonic() < self._closed_until:
            return False
        try:
            self.publishers.publish(packed)
        except Exception as error:  # Any error: the rows are committed, so the caller has sent.
            self._closed_until = time.monotonic() + BREAKER_SECONDS
            logger.warning(
                "redis does not answer, the relay will publish count=%d error=%s",
                len(packed), error, exc_info=not isinstance(error, redis.RedisError),
            )  # fmt: skip
            return False
        if self.is_synchronous:
            self.publishers.settle()
        return True

    def settle(self) -> None:
        """Read the answer to the last message, so that the next sender need not.

        Raises nothing and logs nothing: it runs while a connection to the database is in use.
        """
        if time.monotonic() >= self._closed_until:
            self.publishers.settle()

    def reopen(self) -> None:
        """Try Redis with the next message, on a new connection, however lately it did not answer."""
        self._closed_until = 0.0
        self.publishers.close()

    # --- Workers ---

    def fetch(self, queue_name: str, broker_id: str, *, limit: int) -> list[tuple[str, bytes]]:
        """Take up to `limit` messages off a queue. Return pairs of wire id and message. They are in the acks now."""
        return _pairs(self._fetch(keys=self._keys_of(queue_name, broker_id), args=[min(limit, UNPACK_LIMIT)]))

    def wait_and_fetch(
        self, queue_name: str, broker_id: str, *, limit: int, timeout_seconds: float
    ) -> list[tuple[str, bytes]]:
        """Fetch as soon as a bell rings, the queue's or the process's own, or the time is over.

        Waiting and fetching are one round trip.
        """
        keys, limit = self._keys_of(queue_name, broker_id), min(limit, UNPACK_LIMIT)
        both = self.workers.pipeline(transaction=False)
        both.blpop([self.bell_key(queue_name), self.stop_bell_key(broker_id)], timeout=timeout_seconds)
        both.evalsha(self._fetch.sha, len(keys), *keys, limit)
        rung, found = both.execute(raise_on_error=False)
        if isinstance(found, NoScriptError):
            found = self._fetch(keys=keys, args=[limit])
        for answer in (rung, found):
            if isinstance(answer, Exception):
                raise answer
        return _pairs(found)

    def wake(self, broker_id: str, *, count: int) -> None:
        """End `count` waits of a process. A stopping process waits for Redis no longer than a sender does."""
        if count:
            both = self.senders.pipeline(transaction=False)
            both.rpush(self.stop_bell_key(broker_id), *["1"] * count)
            both.expire(self.stop_bell_key(broker_id), STOP_BELL_SECONDS)
            both.execute()

    def ack(self, broker_id: str, wire_ids: Iterable[tuple[str, str]]) -> None:
        """Delete messages, given as pairs of queue and wire id."""
        by_queue: defaultdict[str, list[str]] = defaultdict(list)
        for queue_name, wire_id in wire_ids:
            by_queue[queue_name].append(wire_id)
        for queue_name, ids in by_queue.items():
            keys = [self.messages_key(queue_name), self.acks_key(queue_name, broker_id)]
            for chunk in chunks(ids, UNPACK_LIMIT):
                self._ack(keys=keys, args=chunk)

    def requeue(self, queue_name: str, broker_id: str, wire_ids: Sequence[str] | None = None) -> int:
        """Put fetched messages back at the head of their queue. Return their number.

        Parameters:
          wire_ids: None: all that the process fetched.
        """
        keys = self._keys_of(queue_name, broker_id)
        if wire_ids is None:
            return int(self._requeue(keys=keys, args=[]))
        return sum(int(self._requeue(keys=keys, args=chunk)) for chunk in chunks(wire_ids, UNPACK_LIMIT))

    def requeue_as(self, queue_name: str, broker_id: str, messages: Mapping[str, Message[Any]]) -> None:
        """Put messages at the head of a queue, each instead of a fetched one.

        Parameters:
          messages: New messages by the wire ids of the fetched ones.
        """
        keys = self._keys_of(queue_name, broker_id)
        # Each goes to the head, before the last one.
        words = [(old, message.options["redis_message_id"], message.encode()) for old, message in messages.items()]
        for chunk in chunks(reversed(words), UNPACK_LIMIT):
            self._requeue_as(keys=keys, args=list(chain.from_iterable(chunk)))

    def has_fetched(self, processes: Iterable[tuple[str, str]]) -> bool:
        """Return whether any process, given with a queue as pairs of queue and broker id, has unacked messages."""
        keys = [self.acks_key(queue_name, broker_id) for queue_name, broker_id in processes]
        return any(int(self.workers.exists(*chunk)) for chunk in chunks(keys, UNPACK_LIMIT))

    def fetched_by(self, queue_name: str, broker_id: str) -> set[str]:
        """Return the wire ids that a process fetched from a queue and has not acked."""
        members = self.workers.smembers(self.acks_key(queue_name, broker_id))
        return {member.decode(errors=ODD_BYTES) for member in members}  # type: ignore[union-attr]

    # --- The relay ---

    def present(self, queue_name: str, wire_ids: Sequence[str]) -> list[bool]:
        """Return for each wire id whether Redis has its message, waiting or fetched."""
        found = self._present(keys=[self.messages_key(queue_name)], args=wire_ids)
        return [bool(one) for one in found]

    def is_reachable(self) -> bool:
        """Return whether Redis answers a PING within the senders' time limit."""
        try:
            return bool(self.senders.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Close all connections."""
        self.publishers.close()
        self.senders.close()
        self.workers.close()


def _pairs(found: list[bytes]) -> list[tuple[str, bytes]]:
    return [(wire_id.decode(errors=ODD_BYTES), data) for wire_id, data in zip(found[::2], found[1::2], strict=True)]
