"""Redis as the fast wire: publish, fetch, ack and requeue messages in few round trips."""

import itertools
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import redis
from dramatiq import Message
from redis.exceptions import NoScriptError

from workers.wire import scripts, unpublished
from workers.wire.clients import (
    ODD_BYTES,
    PATIENT_TIMEOUT_SECONDS,
    PUBLISH_TIMEOUT_SECONDS,
    WORK_TIMEOUT_SECONDS,
    chunks,
    client,
)
from workers.wire.contents import Contents, log_damaged
from workers.wire.errors import UNREACHABLE, Guard
from workers.wire.keys import Keys
from workers.wire.lane import Lane
from workers.wire.message import LINES_QUEUE, Words, line_in, words_of, words_of_line
from workers.wire.publisher import bounded, words_size
from workers.wire.scripts import BELL_LIMIT, TURN, UNPACK_LIMIT

logger = logging.getLogger(__name__)

#: Bytes of one commit's messages above which senders publish them apart from the others, which must not wait for them.
LARGE_BYTES = 64_000
#: Bytes of messages after which a fetch takes no further one.
FETCH_BYTES = 1_000_000
#: Seconds after which the bell that ends the waits of a stopping process expires.
STOP_BELL_SECONDS = 60
#: Seconds after which a call expires. The process has looked by itself then.
CALL_SECONDS = 60
#: Seconds for which a process counts as one that uses the namespace.
PROCESS_SECONDS = 30


class WireQueue(Keys):
    """The queues of one namespace in one Redis.

    Its methods raise a `RefusedError` if Redis answers that it cannot work just now.

    Parameters:
      url: Address of Redis, with any options that redis-py reads from a URL.
      namespace: First part of every key.
      fast_path: False: publish with redis-py's commands, and wait for each answer.
    """

    def __init__(self, url: str, *, namespace: str, fast_path: bool = True) -> None:
        super().__init__(namespace)
        self.senders = client(url, timeout_seconds=PUBLISH_TIMEOUT_SECONDS)
        self.workers = client(url, timeout_seconds=WORK_TIMEOUT_SECONDS)
        self.relays = client(url, timeout_seconds=PATIENT_TIMEOUT_SECONDS)
        self.lane, self.large_lane = (
            Lane(self.senders, namespace=namespace, fast_path=fast_path, drop=self.drop_connections) for _ in range(2)
        )
        #: Returns the words of a message in the form that `publish_packed` takes.
        self.pack = self.lane.publishers.pack
        self._size = self.lane.publishers.size
        #: Wait for the answer to every message. For tests that look into Redis after a send.
        self.is_synchronous = False
        self._guard = Guard(self.drop_connections)
        #: The messages as the audit compares them with the rows.
        self.contents = Contents(self.workers, namespace=namespace, guard=self._guard)
        self._fetch = self.workers.register_script(scripts.FETCH)
        self._ack = self.workers.register_script(scripts.ACK)
        self._requeue = self.workers.register_script(scripts.REQUEUE)
        self._requeue_as = self.workers.register_script(scripts.REQUEUE_AS)
        self._publish = self.workers.register_script(scripts.PUBLISH)
        self._epoch = self.workers.register_script(scripts.EPOCH)
        self._take_lines = self.workers.register_script(scripts.TAKE_LINES)
        self._processes = self.workers.register_script(scripts.PROCESSES)
        #: Number of the fetch that is under way, by queue.
        self.fetches_under_way: dict[str, int] = {}
        self._numbers = itertools.count()

    @property
    def publishers(self) -> Any:
        """Publishers of messages of usual size."""
        return self.lane.publishers

    # --- Senders ---

    def publish(self, messages: Iterable[Message[Any]]) -> bool:
        """Put messages on their queues. Messages that are there already stay as they are.

        Returns:
          False if Redis cannot be reached, or could not a moment ago. The relay publishes them then.
        """
        return self.publish_packed([self.pack(words_of(message)) for message in messages])

    def publish_packed(self, packed: Sequence[Any]) -> bool:
        """Publish messages that `pack` returned, as `publish` does."""
        is_large = sum(map(self._size, packed)) > LARGE_BYTES
        lane = self.large_lane if is_large else self.lane
        is_published = not (is_large and self.lane.is_closed) and lane.publish(packed)
        if not is_published:
            unpublished.add(len(packed))
        elif self.is_synchronous:
            lane.settle()
        return is_published

    def settle(self, *, wait: bool = True) -> None:
        """Read the answer to the last message, so that the next sender need not.

        Raises nothing and logs nothing: it runs while a connection to the database is in use.

        Parameters:
          wait: Whether to wait for an answer that is not there yet.
        """
        self.lane.settle(wait=wait)

    def reopen(self) -> None:
        """Try Redis with the next message, on a new connection, however lately it did not answer."""
        self.lane.reopen()
        self.large_lane.reopen()

    def drop_connections(self) -> None:
        """Close the connections that no thread uses just now: the next command resolves the address anew."""
        for lane in (self.lane, self.large_lane):
            lane.publishers.close()
        for one in (self.senders, self.workers, self.relays):
            one.connection_pool.disconnect(inuse_connections=False)

    # --- Workers ---

    def fetch(self, queue_name: str, broker_id: str, *, limit: int) -> list[tuple[str, bytes]]:
        """Take up to `limit` messages off a queue. Return pairs of wire id and message. They are in the acks now.

        Fewer if they are large.
        """
        with self._guard, self._fetching(queue_name):
            return _pairs(self._fetch(keys=self.keys_of(queue_name, broker_id), args=_fetch_arguments(limit)))

    def wait_and_fetch(
        self, queue_name: str, broker_id: str, *, limit: int, timeout_seconds: float
    ) -> list[tuple[str, bytes]]:
        """Fetch as soon as a bell rings, the queue's or the process's own, or the time is over.

        Waiting and fetching are one round trip.
        """
        keys, arguments = self.keys_of(queue_name, broker_id), _fetch_arguments(limit)
        with self._guard, self._fetching(queue_name):
            both = self.workers.pipeline(transaction=False)
            both.blpop([self.bell_key(queue_name), self.stop_bell_key(broker_id)], timeout=timeout_seconds)
            both.evalsha(self._fetch.sha, len(keys), *keys, *arguments)
            rung, found = both.execute(raise_on_error=False)
            if isinstance(found, NoScriptError):
                found = self._fetch(keys=keys, args=arguments)
            for answer in (rung, found):
                if isinstance(answer, Exception):
                    raise answer
            return _pairs(found)

    @contextmanager
    def _fetching(self, queue_name: str) -> Iterator[None]:
        self.fetches_under_way[queue_name] = next(self._numbers)
        try:
            yield
        finally:
            self.fetches_under_way.pop(queue_name, None)

    def wake(self, broker_id: str, *, count: int) -> None:
        """End `count` waits of a process. A stopping process waits for Redis no longer than a sender does."""
        if count:
            with self._guard:
                both = self.senders.pipeline(transaction=False)
                both.rpush(self.stop_bell_key(broker_id), *["1"] * count)
                both.expire(self.stop_bell_key(broker_id), STOP_BELL_SECONDS)
                both.execute()

    def call(self, broker_ids: Iterable[str]) -> None:
        """Ask processes to look for requests in the database. Raises nothing: they look by themselves as well."""
        try:
            with self._guard:
                both = self.senders.pipeline(transaction=False)
                for broker_id in broker_ids:
                    both.rpush(self.call_key(broker_id), "1")
                    both.expire(self.call_key(broker_id), CALL_SECONDS)
                both.execute()
        except UNREACHABLE as error:
            logger.info("processes are not called, redis does not answer error=%s", error)

    def wait_for_call(self, broker_id: str, *, timeout_seconds: float) -> bool:
        """Return whether the process was called, as soon as it is. False after the time."""
        key = self.call_key(broker_id)
        with self._guard:
            is_called = self.workers.blpop([key], timeout=timeout_seconds) is not None
            if is_called:
                self.workers.delete(key)  # One look answers all calls until now.
        return is_called

    def forget(self, queue_name: str) -> None:
        """Delete the messages of a queue. The relay publishes those again whose rows still wait."""
        self.workers.delete(self.messages_key(queue_name))
        self.contents.abandon(queue_name)

    def ack(self, broker_id: str, wire_ids: Iterable[tuple[str, str]]) -> None:
        """Delete messages, given as pairs of queue and wire id."""
        by_queue: defaultdict[str, list[str]] = defaultdict(list)
        for queue_name, wire_id in wire_ids:
            by_queue[queue_name].append(wire_id)
        with self._guard:
            for queue_name, ids in by_queue.items():
                keys = [
                    self.messages_key(queue_name),
                    self.acks_key(queue_name, broker_id),
                    self.priorities_key(queue_name),
                ]
                for chunk in chunks(ids, UNPACK_LIMIT):
                    self._ack(keys=keys, args=chunk)

    def requeue(self, queue_name: str, broker_id: str, wire_ids: Sequence[str] | None = None) -> int:
        """Put fetched messages back at the head of their level, and delete damaged keys. Return their number.

        Parameters:
          wire_ids: None: all that the process fetched.
        """
        keys, requeued = self.keys_of(queue_name, broker_id), 0
        with self._guard:
            for chunk in [[]] if wire_ids is None else chunks(wire_ids, UNPACK_LIMIT):
                count, damaged = self._requeue(keys=keys, args=chunk)
                log_damaged(damaged, queue_name)
                requeued += count
        return requeued

    def requeue_as(self, queue_name: str, broker_id: str, messages: Mapping[str, Message[Any]]) -> None:
        """Put messages at the head of a queue, each instead of a fetched one, whose priority it takes over.

        Parameters:
          messages: New messages by the wire ids of the fetched ones.
        """
        keys = self.keys_of(queue_name, broker_id)
        # Each goes to the head, before the last one.
        replaced = [
            (old.encode(), message.options["redis_message_id"].encode(), message.encode())
            for old, message in reversed(list(messages.items()))
        ]
        with self._guard:
            for run in bounded(replaced, size=words_size):
                self._requeue_as(keys=keys, args=list(chain.from_iterable(run)))

    def has_fetched(self, processes: Iterable[tuple[str, str]]) -> bool:
        """Return whether any process, given with a queue as pairs of queue and broker id, has unacked messages."""
        keys = [self.acks_key(queue_name, broker_id) for queue_name, broker_id in processes]
        with self._guard:
            return any(int(self.workers.exists(*chunk)) for chunk in chunks(keys, UNPACK_LIMIT))

    def fetched_by(self, queue_name: str, broker_id: str) -> set[str]:
        """Return the wire ids that a process fetched from a queue and has not acked."""
        with self._guard:
            members = self.workers.smembers(self.acks_key(queue_name, broker_id))
        return {member.decode(errors=ODD_BYTES) for member in members}  # type: ignore[union-attr]

    # --- The relay ---

    def republish(self, words: Iterable[Words]) -> int:
        """Publish as senders do, with more patience, in commands of bounded size. Each is done when it is answered.

        Parameters:
          words: The words of each message.

        Returns:
          The number of messages that are on their queues now. Missing are those that Redis refused.
        """
        published = 0
        for run in bounded(list(words), size=words_size):
            is_large = sum(map(words_size, run)) > LARGE_BYTES
            arguments: list[bytes | int] = [BELL_LIMIT, *chain.from_iterable(run)]
            try:
                with self._guard:
                    self._publish(
                        keys=[f"{self.namespace}:"], args=arguments, client=self.relays if is_large else self.workers
                    )
            except redis.ResponseError as error:
                logger.error("redis refused messages count=%d error=%s", len(run), error)
            else:
                published += len(run)
        return published

    def tell_lines(self, lines: Iterable[tuple[str, str]]) -> None:
        """Tell a relay of lines, as pairs of actor and line, that have a task or a place. Raises nothing."""
        packed = [self.pack(words_of_line(task_name, line)) for task_name, line in lines]
        if packed:
            self.publish_packed(packed)

    def wait_for_lines(self, *, timeout_seconds: float) -> list[tuple[str, str]]:
        """Return the lines that were named to a relay, as soon as there are any. None after the time.

        Parameters:
          timeout_seconds: Redis may take a tenth of a second more.
        """
        with self._guard:
            self.workers.blpop([self.bell_key(LINES_QUEUE)], timeout=timeout_seconds)
        return self.take_lines()

    def take_lines(self) -> list[tuple[str, str]]:
        """Return the lines that were named to a relay."""
        keys = [self.queue_key(LINES_QUEUE), self.messages_key(LINES_QUEUE), self.bell_key(LINES_QUEUE)]
        with self._guard:
            words: Any = self._take_lines(keys=keys, args=[UNPACK_LIMIT])
        return [found for word in words if (found := line_in(word))]

    def epoch(self) -> bytes:
        """Return the mark of this Redis and its data. It is another one after a wipe."""
        with self._guard:
            found: bytes = self._epoch(keys=[f"{self.namespace}:__epoch__"], args=[uuid.uuid4().hex])
        return found

    def processes(self, add: Iterable[str] = ()) -> list[str]:
        """Return the processes that used the namespace lately, whatever their database.

        Parameters:
          add: Processes that use it now, each as its id and any further words.
        """
        with self._guard:
            found = self._processes(keys=[f"{self.namespace}:__processes__"], args=[PROCESS_SECONDS, *add])
        return [one.decode(errors="replace") for one in found]

    def forget_processes(self) -> None:
        """Forget the processes that used the namespace lately. The relay of each database announces its own again."""
        with self._guard:
            self.workers.delete(f"{self.namespace}:__processes__")

    # --- The server ---

    def mode(self) -> str:
        """Return the server's mode: standalone, cluster or sentinel. Empty if it does not say.

        Raises:
          redis.RedisError: It does not answer.
        """
        try:
            with self._guard:
                answer: Any = self.workers.execute_command("HELLO")
        except redis.ResponseError:  # Redis before 6.
            return ""
        pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=False)
        found = {_text(name): value for name, value in pairs}
        return _text(found.get("mode", ""))

    def close(self) -> None:
        """Close all connections."""
        for lane in (self.lane, self.large_lane):
            lane.publishers.close()
        for one in (self.senders, self.workers, self.relays):
            one.close()


def _pairs(found: list[bytes]) -> list[tuple[str, bytes]]:
    return [(wire_id.decode(errors=ODD_BYTES), data) for wire_id, data in zip(found[::2], found[1::2], strict=True)]


def _fetch_arguments(limit: int) -> list[int]:
    return [min(limit, UNPACK_LIMIT), FETCH_BYTES, TURN]


def _text(word: Any) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)
