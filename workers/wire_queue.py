"""Redis as the fast wire: publish, fetch, ack and put back, in few round trips."""

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

from workers import redis_scripts
from workers.publisher import Publishers, pack
from workers.redis_scripts import UNPACK_LIMIT

logger = logging.getLogger(__name__)

#: What a sender waits at most for Redis, to connect and for each answer. The row is safe already.
PUBLISH_TIMEOUT_SECONDS = 0.3
#: How long senders leave Redis alone after it did not answer; the relay publishes in the meantime.
BREAKER_SECONDS = 2.0
#: How long a process that stops may need to hear it.
STOP_BELL_SECONDS = 60
#: What a worker waits for an answer. Longer than any blocking command.
WORK_TIMEOUT_SECONDS = 5.0

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def client(url: str, *, timeout_seconds: float) -> "redis.Redis":
    """A client that tells at once when Redis is away, instead of trying again behind our back."""
    found = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    # Not for the URL to say: waits for a bell are shorter than this, and senders must not wait for long.
    limits = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
    found.connection_pool.connection_kwargs.update(limits)
    return found


class WireQueue:
    """The queues of one namespace in one Redis.

    Parameters:
      url: Where Redis is, with any options redis-py reads from a URL.
      namespace: The first part of every key.
    """

    def __init__(self, url: str, *, namespace: str) -> None:
        self.namespace = namespace
        self.senders = client(url, timeout_seconds=PUBLISH_TIMEOUT_SECONDS)
        self.workers = client(url, timeout_seconds=WORK_TIMEOUT_SECONDS)
        self._publishers = Publishers(self.senders, namespace=namespace)
        self._fetch = self.workers.register_script(redis_scripts.FETCH)
        self._ack = self.workers.register_script(redis_scripts.ACK)
        self._put_back = self.workers.register_script(redis_scripts.PUT_BACK)
        self._replace = self.workers.register_script(redis_scripts.REPLACE)
        self._present = self.workers.register_script(redis_scripts.PRESENT)
        self._closed_until = 0.0

    # --- Keys ---

    def queue_key(self, queue_name: str) -> str:
        return f"{self.namespace}:{queue_name}"

    def messages_key(self, queue_name: str) -> str:
        return f"{self.namespace}:{queue_name}.msgs"

    def bell_key(self, queue_name: str) -> str:
        return f"{self.namespace}:{queue_name}.bell"

    def stop_bell_key(self, broker_id: str) -> str:
        return f"{self.namespace}:__stop__.{broker_id}"

    def acks_key(self, queue_name: str, broker_id: str) -> str:
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
        """Put messages on their queues; those that are there already stay as they are.

        Returns:
          False when Redis cannot be reached, or could not a moment ago: the relay will publish them.
        """
        return self.publish_packed([pack(message) for message in messages])

    def publish_packed(self, packed: Sequence[bytes]) -> bool:
        """As `publish`, of what `publisher.pack` made."""
        if time.monotonic() < self._closed_until:
            return False
        try:
            self._publishers.publish(packed)
        except Exception as error:  # Whatever it is: the rows are committed, so the caller has sent.
            self._closed_until = time.monotonic() + BREAKER_SECONDS
            logger.warning(
                "redis does not answer, the relay will publish count=%d error=%s",
                len(packed), error, exc_info=not isinstance(error, redis.RedisError),
            )  # fmt: skip
            return False
        return True

    def settle(self) -> None:
        """Read what Redis answered to the sender before, so that the next one need not.

        It raises nothing and logs nothing: it is called while a connection to the database is in use.
        """
        if time.monotonic() >= self._closed_until:
            self._publishers.settle()

    def reopen(self) -> None:
        """Try Redis again with the next message, however lately it did not answer."""
        self._closed_until = 0.0

    # --- Workers ---

    def fetch(self, queue_name: str, broker_id: str, *, limit: int) -> list[tuple[str, bytes]]:
        """Take up to `limit` messages off a queue, as pairs of wire id and message. They are in the acks now."""
        return _pairs(self._fetch(keys=self._keys_of(queue_name, broker_id), args=[min(limit, UNPACK_LIMIT)]))

    def wait_and_fetch(
        self, queue_name: str, broker_id: str, *, limit: int, timeout_seconds: float
    ) -> list[tuple[str, bytes]]:
        """As `fetch`, once the queue's bell or the process's own rings, or the time is over.

        Redis does both, so it is one round trip.
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
        """End so many waits of a process now. A process that stops waits for Redis no longer than a sender does."""
        if count:
            both = self.senders.pipeline(transaction=False)
            both.rpush(self.stop_bell_key(broker_id), *["1"] * count)
            both.expire(self.stop_bell_key(broker_id), STOP_BELL_SECONDS)
            both.execute()

    def ack(self, broker_id: str, wire_ids: Iterable[tuple[str, str]]) -> None:
        """Forget messages for good, as pairs of queue and wire id."""
        by_queue: defaultdict[str, list[str]] = defaultdict(list)
        for queue_name, wire_id in wire_ids:
            by_queue[queue_name].append(wire_id)
        for queue_name, ids in by_queue.items():
            keys = [self.messages_key(queue_name), self.acks_key(queue_name, broker_id)]
            for chunk in chunks(ids, UNPACK_LIMIT):
                self._ack(keys=keys, args=chunk)

    def put_back(self, queue_name: str, broker_id: str, wire_ids: Sequence[str] | None = None) -> int:
        """Let fetched messages wait again, at the head of their queue; None: all that the process fetched."""
        keys = self._keys_of(queue_name, broker_id)
        if wire_ids is None:
            return int(self._put_back(keys=keys, args=[]))
        return sum(int(self._put_back(keys=keys, args=chunk)) for chunk in chunks(wire_ids, UNPACK_LIMIT))

    def replace(self, queue_name: str, broker_id: str, messages: Mapping[str, Message[Any]]) -> None:
        """Forget fetched messages, by wire id, and let others wait instead of them, at the head of the queue."""
        keys = self._keys_of(queue_name, broker_id)
        # Each goes before the one before it.
        words = [(old, message.options["redis_message_id"], message.encode()) for old, message in messages.items()]
        for chunk in chunks(reversed(words), UNPACK_LIMIT):
            self._replace(keys=keys, args=list(chain.from_iterable(chunk)))

    def has_fetched(self, processes: Iterable[tuple[str, str]]) -> bool:
        """Whether any of these, as pairs of queue and broker id, has fetched a message and not acked it."""
        keys = [self.acks_key(queue_name, broker_id) for queue_name, broker_id in processes]
        return any(int(self.workers.exists(*chunk)) for chunk in chunks(keys, UNPACK_LIMIT))

    def fetched_by(self, queue_name: str, broker_id: str) -> set[str]:
        """The wire ids that a process fetched from a queue and has not acked."""
        members = self.workers.smembers(self.acks_key(queue_name, broker_id))
        return {member.decode() for member in members}  # type: ignore[union-attr]

    # --- The relay ---

    def present(self, queue_name: str, wire_ids: Sequence[str]) -> list[bool]:
        """For each wire id whether Redis has its message, waiting or fetched."""
        found = self._present(keys=[self.messages_key(queue_name)], args=wire_ids)
        return [bool(one) for one in found]

    def is_reachable(self) -> bool:
        """Whether Redis answers a PING within the senders' time."""
        try:
            return bool(self.senders.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        self._publishers.close()
        self.senders.close()
        self.workers.close()


def _pairs(found: list[bytes]) -> list[tuple[str, bytes]]:
    return [(wire_id.decode(), data) for wire_id, data in zip(found[::2], found[1::2], strict=True)]
