"""Clients of Redis and their time limits."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

#: Seconds that a sender waits for Redis at most, to connect and for each answer. The row is safe already.
PUBLISH_TIMEOUT_SECONDS = 0.3
#: Seconds that a worker waits for an answer. Longer than any blocking command.
WORK_TIMEOUT_SECONDS = 5.0
#: Seconds that the relay waits until a command of about 1 MB is written, and as long for its answer.
PATIENT_TIMEOUT_SECONDS = 30.0

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
    found = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), max_connections=MAX_CONNECTIONS)
    # Not from the URL: waits for a bell are shorter than this, and senders must not wait long.
    limits = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": min(timeout_seconds, WORK_TIMEOUT_SECONDS),
    }
    found.connection_pool.connection_kwargs.update(limits)
    return found
