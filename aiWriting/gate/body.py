"""The body of a request, received within its limits of size and time."""

import asyncio
import time

from aiWriting.gate.asgi import Headers, Message, Receive
from aiWriting.gate.errors import TooLargeError, TooSlowError

#: Seconds before a body must have a rate.
GRACE_SECONDS = 10.0
#: Bytes a second that a body must have on average after that.
LEAST_RATE_BYTES = 16 * 1024
#: Seconds that any body may take.
LIMIT_SECONDS = 900.0
#: Seconds for which the rest of a refused body is dropped, so that a client that still sends can read its answer.
DROP_SECONDS = 2.0


def size_of(headers: Headers) -> int | None:
    """Return the announced size of the body in bytes. None: it is not known before its end."""
    size_bytes = 0
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            size_bytes = int(value)
    return size_bytes


class Body:
    """Receives the messages of a body.

    Parameters:
      limit_bytes: Largest body.
    """

    def __init__(self, receive: Receive, *, limit_bytes: int) -> None:
        self._receive = receive
        self.limit_bytes = limit_bytes
        self.received_bytes = 0
        self.is_complete = False
        self._started_at = time.monotonic()

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
          TooLargeError: The body is larger than its limit.
          TooSlowError: It does not arrive in time.
        """
        seconds = min(GRACE_SECONDS + self.received_bytes / LEAST_RATE_BYTES, LIMIT_SECONDS)
        try:
            async with asyncio.timeout(self._started_at + seconds - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise TooSlowError from None
        self.received_bytes += len(message.get("body", b""))
        if self.received_bytes > self.limit_bytes:
            raise TooLargeError(size=f"over {self.limit_bytes:,}", limit_bytes=self.limit_bytes)
        self.is_complete = not message.get("more_body", False)
        return message

    async def drop(self) -> None:
        """Receive the rest and forget it."""
        try:
            async with asyncio.timeout(DROP_SECONDS):
                while not self.is_complete:
                    self.is_complete = not (await self._receive()).get("more_body", False)
        except TimeoutError:
            pass
