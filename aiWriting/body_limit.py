"""Refuse a body that no view would take, before it is received.

Under ASGI Django writes the whole body to the disk before it looks at the request.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


class BodyLimit:
    """An ASGI application that passes on requests whose bodies are not too large.

    Parameters:
      limit_bytes: Largest body of any request.
    """

    def __init__(self, application: Application, *, limit_bytes: int) -> None:
        self.application = application
        self.limit_bytes = limit_bytes

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.limit_bytes:
            await self._refuse(send, size=f"{int(length):,}")
            return
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            # On a disconnect Django drops the body and does not answer.
            return {"type": "http.disconnect"} if received_bytes > self.limit_bytes else message

        await self.application(scope, receive_counted, send)
        if received_bytes > self.limit_bytes:
            await self._refuse(send, size=f"over {self.limit_bytes:,}")

    async def _refuse(self, send: Send, *, size: str) -> None:
        detail = f"The request has {size} bytes, and at most {self.limit_bytes:,} can be taken."
        body = json.dumps({"detail": detail}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            # So the client does not send the rest of the body.
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
