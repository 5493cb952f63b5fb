"""Uvicorn's HTTP protocol with limits for connections: how many, how slow a head may come and an answer be taken.

An ASGI application sees a request only after its head. Name this class with
`--http aiWriting.gate.connection:Connection`.
"""

import asyncio
from collections import Counter
from typing import Any, ClassVar

import h11
from django.conf import settings
from uvicorn.protocols.http.h11_impl import H11Protocol

from aiWriting.gate.errors import BusyError, ClientBusyError, GateError, MalformedError, TooSlowError
from aiWriting.gate.proxies import TrustedProxies
from aiWriting.gate.refusals import whole_answer
from apps.core.client import client_of

#: Seconds from the first byte of a head, or from the connection, to the end of the head.
HEAD_SECONDS = 5.0
#: Seconds in which a client must take the bytes that wait for it: 64 KB of a long answer, or the rest of one.
TAKE_SECONDS = 20.0

#: Seconds after which a client without a free connection may try again.
RETRY_AFTER_SECONDS = 5
#: Largest head in bytes, unless it arrives in one piece, and most lines of it: each takes as long as a long one.
HEAD_BYTES, HEAD_LINES = 64 * 1024, 500
#: Chunks of a body that may have any size, and least bytes of each further one on average. A tiny chunk takes as long
#: as a large one, so a sender at full speed would keep the process busy.
FREE_CHUNKS, LEAST_CHUNK_BYTES = 2_000, 128

NO_HTTP = "This is no HTTP, or it has too many headers or too many small chunks."


class Parser(h11.Connection):
    """uvicorn's parser, which also refuses a head of too many lines and a body in too many small chunks."""

    chunks = body_bytes = 0

    def next_event(self) -> Any:
        if self.their_state is h11.IDLE and _has_too_many_lines(self.trailing_data[0]):
            raise h11.RemoteProtocolError(NO_HTTP)
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.chunks = self.body_bytes = 0
        elif isinstance(event, h11.Data):
            self.chunks += event.chunk_end
            self.body_bytes += len(event.data)
            if self.chunks > FREE_CHUNKS + self.body_bytes // LEAST_CHUNK_BYTES:
                raise h11.RemoteProtocolError(NO_HTTP)
        return event


def _has_too_many_lines(data: bytes) -> bool:
    """Return whether the head at the beginning of the data has too many lines. It may be incomplete."""
    if data.count(b"\n") <= HEAD_LINES:
        return False
    ends = [at for at in (data.find(b"\n\r\n"), data.find(b"\n\n")) if at >= 0]
    return data.count(b"\n", 0, min(ends, default=len(data))) > HEAD_LINES


class Connection(H11Protocol):
    """A connection that is closed when it is one too many, or too slow.

    One that is too many takes the place of another without a request, so half-sent heads keep no request out.
    """

    #: Open connections of each client in this process.
    counts: Counter[str] = Counter()
    #: All open connections, the oldest first.
    by_age: ClassVar[dict["Connection", None]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.conn = Parser(h11.SERVER, HEAD_BYTES)
        self._head: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self.peer = client_of(self.client[0] if self.client else "")
        self.counts[self.peer] += 1
        is_over_own = self.counts[self.peer] > settings.WEB_CONNECTIONS_PER_CLIENT and not self._is_proxy()
        is_over_all = len(self.connections) > settings.WEB_CONNECTIONS
        if (is_over_own or is_over_all) and not self._replaces(peer=self.peer if is_over_own else None):
            error = ClientBusyError if is_over_own else BusyError
            self._end(error(retry_after_seconds=RETRY_AFTER_SECONDS))
        else:
            self._watch_head()
        self.by_age[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._taking):
            if timer is not None:
                timer.cancel()
        self.by_age.pop(self, None)
        self.counts[self.peer] -= 1
        if not self.counts[self.peer]:
            del self.counts[self.peer]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch_head()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing. Any stranger can ask for another protocol, and is answered in this one."""

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no HTTP. Of a request that is at work, the answer ends where it is."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._end(MalformedError(NO_HTTP))
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        self._watch_rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_rest()

    def _is_proxy(self) -> bool:
        return self.client is not None and TrustedProxies(settings.TRUSTED_PROXIES).is_trusted(self.client[0])

    def _replaces(self, *, peer: str | None) -> bool:
        """End a connection that has no request, for this one. Return whether there is any.

        It is the oldest that never had a request, else the oldest whose request is answered.

        Parameters:
          peer: Client whose connection it is. None: any client's.
        """
        idle = [
            connection
            for connection in self.by_age
            if peer in (None, connection.peer) and connection._is_idle() and not connection.transport.is_closing()
        ]
        if not idle:
            return False
        found = min(idle, key=lambda connection: connection.cycle is not None)
        if found.transport.get_write_buffer_size():
            found.transport.abort()
        else:
            found._end(TooSlowError())
        return True

    def _is_idle(self) -> bool:
        is_idle: Any = self.cycle is None or self.cycle.response_complete
        return bool(is_idle)

    def _end(self, refusal: GateError) -> None:
        self.transport.write(whole_answer(refusal))
        self.transport.close()

    # --- Heads ---------------------------------------------------------------------------------------

    def _watch_head(self) -> None:
        """Limit the time of a head that is not complete."""
        if self.conn.their_state is not h11.IDLE:
            if self._head is not None:
                self._head.cancel()
                self._head = None
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._refuse_head)

    def _refuse_head(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self._end(TooSlowError())

    # --- Answers -------------------------------------------------------------------------------------

    def _watch_taking(self) -> None:
        if self._taking is None:
            self._taking = self.loop.call_later(TAKE_SECONDS, self._abort_if_stuck)

    def _watch_rest(self) -> None:
        """Limit the time of what is left of an answer that is complete."""
        if self._is_idle() and self.transport.get_write_buffer_size():
            self._watch_taking()

    def _abort_if_stuck(self) -> None:
        self._taking = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()
