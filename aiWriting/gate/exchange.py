"""One request and its answer."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from django.urls import Resolver404, ResolverMatch, resolve

from aiWriting.gate import head, refusals, user
from aiWriting.gate.asgi import Application, Headers, Message, Receive, Scope, Send
from aiWriting.gate.body import Body, size_of
from aiWriting.gate.errors import GateError, TooLargeError
from aiWriting.gate.known_users import KnownUsers
from aiWriting.gate.places import Place, Places
from aiWriting.gate.proxies import REQUEST_ID
from aiWriting.http_headers import strict_transport
from apps.core import request_id
from apps.core.body import SMALL_BODY_BYTES, limit_of
from apps.core.client import client_of

EVENT_STREAM = b"text/event-stream"
DISCONNECT: Message = {"type": "http.disconnect"}


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """Places by what a request does at the moment.

    Parameters:
      receiving: Its body arrives.
      running: A view answers it.
      large: A view answers it, and its body is large.
      streaming: The answer is an event stream.
    """

    receiving: Places
    running: Places
    large: Places
    streaming: Places


class Exchange:
    """Passes a request on and its answer back, within the limits. It holds one place at any time."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, places: Kinds, known_users: KnownUsers) -> None:
        self.scope = scope
        self.known_users = known_users
        self.places = places
        self.client = client_of(scope["client"][0] if scope.get("client") else "")
        self.turn = known_users.turn(scope, client=self.client)
        self.size_bytes = size_of(scope["headers"])
        self.body = None if self.size_bytes == 0 else Body(receive, limit_bytes=SMALL_BODY_BYTES)
        #: Whether the body stays where it is, and the request is answered as if it had none.
        self._is_cut_off = False
        self._is_empty_body_given = False
        self._receive, self._send = receive, send
        self._place: Place | None = None
        self._refusal: GateError | None = None
        self._is_started = self._is_end_due = False

    async def run(self, application: Application) -> None:
        """Answer the request, or refuse it."""
        try:
            head.check(self.scope)
            await self._move_to(self.places.running if self.body is None else self.places.receiving)
            if self.body is not None and (self.size_bytes is None or self.size_bytes > SMALL_BODY_BYTES):
                await self._admit_large(self.body)
            await application(self.scope, self._receive_limited, self._send_limited)
        except GateError as error:
            self._refusal = error
        finally:
            self._leave()
        if self._refusal is not None and not self._is_started:
            await self._refuse(self._refusal)
        if self._is_end_due:
            # After the application ended: it holds a database connection.
            await self._end()

    async def _admit_large(self, body: Body) -> None:
        """Let the body have the size that the view takes, if a user sends it."""
        match: ResolverMatch | None = None
        limit_bytes = SMALL_BODY_BYTES
        with suppress(Resolver404):
            match = resolve(self.scope["path"].removeprefix(self.scope.get("root_path", "")))
            content_type = dict(self.scope["headers"]).get(b"content-type", b"").decode("latin-1")
            limit_bytes = limit_of(match.func, method=self.scope["method"], content_type=content_type)
        if self.size_bytes is not None and self.size_bytes > limit_bytes:
            raise TooLargeError(size=f"{self.size_bytes:,}", limit_bytes=limit_bytes)
        if match is None or limit_bytes <= SMALL_BODY_BYTES:
            return
        if await user.is_known(self.scope, match, size_bytes=self.size_bytes):
            body.limit_bytes = limit_bytes
        else:
            self._is_cut_off = True
            self.scope = user.without_body(self.scope)
            await self._move_to(self.places.running)

    async def _receive_limited(self) -> Message:
        if self._is_cut_off:
            if self._is_empty_body_given:
                await asyncio.Future()  # Until the answer is complete and the application stops to listen.
            self._is_empty_body_given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self.body is None or self.body.is_complete:
            return await self._receive()
        try:
            message = await self.body.receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                is_large = self.body.received_bytes > SMALL_BODY_BYTES
                await self._move_to(self.places.large if is_large else self.places.running)
        except GateError as error:
            self._refusal = error
            return DISCONNECT  # On it Django drops the body and does not answer.
        return message

    async def _send_limited(self, message: Message) -> None:
        if self._refusal is not None:
            return
        if message["type"] == "http.response.start":
            await self._start(message)
        else:
            await self._send_body(message)

    async def _start(self, message: Message) -> None:
        self.known_users.remember(self.scope)
        headers = list(message.get("headers", ()))
        if any(name.lower() == b"content-type" and value.startswith(EVENT_STREAM) for name, value in headers):
            try:
                await self._move_to(self.places.streaming)
            except GateError as error:
                self._refusal = error
                await self._refuse(error)
                return
        self._is_started = True
        added = [refusals.CLOSE] if self._is_cut_off else []
        # Django refuses some requests before its middleware.
        names = {name.lower() for name, _ in headers}
        added += [pair for pair in self._headers_of_all if pair[0] not in names]
        await self._send({**message, "headers": [*headers, *added]} if added else message)

    @property
    def _headers_of_all(self) -> Headers:
        """Headers of every answer, whoever gives it."""
        found = [(REQUEST_ID, self.scope[request_id.SCOPE_KEY].encode())]
        if self.scope["scheme"] == "https" and (value := strict_transport()):
            found.append((refusals.STRICT_TRANSPORT, value.encode()))
        return found

    async def _refuse(self, refusal: GateError) -> None:
        self._is_started = True
        self._leave()
        headers, text = refusals.answer(refusal, is_api=self.scope["path"].startswith("/api/"))
        headers += self._headers_of_all
        await self._send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send_body({"type": "http.response.body", "body": text})

    async def _send_body(self, message: Message) -> None:
        """Send a part of an answer. If it is the last one and the client still sends a body, its end is due later."""
        if not message.get("more_body", False) and self.body is not None and not self.body.is_complete:
            self._is_end_due = True
            message = {**message, "more_body": True}
        await self._send(message)

    async def _end(self) -> None:
        """End the answer. A client that still sends a body gets the time to read it."""
        if self.body is not None:
            await self.body.drop()
        await self._send({"type": "http.response.body", "body": b""})

    async def _move_to(self, places: Places) -> None:
        self._leave()
        self._place = await places.take(self.turn)

    def _leave(self) -> None:
        left, self._place = self._place, None
        if left is not None:
            left.leave()
