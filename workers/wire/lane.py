"""The way of senders to Redis, with a breaker."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis

from workers.wire.errors import UNREACHABLE
from workers.wire.outage import Outage
from workers.wire.publisher import PlainPublishers, Publishers

logger = logging.getLogger(__name__)

#: Seconds in which senders leave a Redis alone that did not answer. The relay publishes meanwhile.
BREAKER_SECONDS = 2.0


class Lane:
    """Publishers with a breaker of their own.

    Parameters:
      client: Gives the address, the password and the time limits.
      namespace: First part of every key.
      fast_path: Whether packed messages go straight to the socket.
      drop: Closes idle connections. Called when Redis is away.
    """

    def __init__(self, client: "redis.Redis", *, namespace: str, fast_path: bool, drop: Callable[[], object]) -> None:
        self.publishers: Any = (Publishers if fast_path else PlainPublishers)(client, namespace=namespace)
        self.drop = drop
        self._closed_until = 0.0
        self._outage = Outage()

    @property
    def is_closed(self) -> bool:
        """Whether Redis did not answer a moment ago."""
        return time.monotonic() < self._closed_until

    def publish(self, packed: Sequence[Any]) -> bool:
        """Publish packed messages. False: Redis is away, or was a moment ago. The relay publishes them then."""
        if self.is_closed:
            return False
        is_away = self._outage.error is not None
        try:
            # After an outage, an answer shows that it is over.
            self.publishers.publish(packed, wait=is_away)
        except Exception as error:  # Any error: the rows are committed, so the caller has sent.
            self._closed_until = time.monotonic() + BREAKER_SECONDS
            if self._outage.begins(error):
                logger.warning(
                    "redis does not answer, the relay will publish count=%d error=%s",
                    len(packed), error, exc_info=not isinstance(error, redis.RedisError),
                )  # fmt: skip
            if isinstance(error, UNREACHABLE):
                self.drop()
            return False
        if is_away and self._outage.ends():
            logger.info("redis answers senders again")
        return True

    def settle(self, *, wait: bool = True) -> None:
        """Read the answer to the last message, unless the lane is closed."""
        if not self.is_closed:
            self.publishers.settle(wait=wait)

    def reopen(self) -> None:
        """Try Redis with the next message, on a new connection."""
        self._closed_until = 0.0
        self._outage = Outage()
        self.publishers.close()
