"""Requests, event streams and connections at once: of one client and of all."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aiWriting.gate import connection as connections
from aiWriting.gate import places as rooms
from aiWriting.gate.errors import BusyError, ClientBusyError
from aiWriting.gate.places import Places
from tests.gate.conftest import Connect


class Held:
    """An application that answers when the test lets it: `/stream` with events, all else with `done`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.running = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kind = b"text/event-stream" if scope["path"] == "/stream" else b"text/plain"
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]}
        self.running += 1
        if kind == b"text/event-stream":
            await send(start)
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
        else:
            await asyncio.to_thread(self.go.wait, 30)
            await send(start)
            await send({"type": "http.response.body", "body": b"done"})
        self.running -= 1


@pytest.fixture
def held() -> Iterator[Held]:
    application = Held()
    yield application
    application.go.set()


def test_requests_wait_for_a_place(serve: Callable[..., Connect], held: Held, wait_until: Callable[..., Any]) -> None:
    connect = serve(held, requests=2)
    waiting = [connect().send("GET / HTTP/1.1") for _ in range(6)]
    wait_until(lambda: held.running == 2)
    held.go.set()
    assert [connection.answer().body for connection in waiting] == [b"done"] * 6


def test_a_request_that_waits_for_too_long_is_503(
    serve: Callable[..., Connect], held: Held, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    monkeypatch.setattr(rooms, "WAIT_SECONDS", 0.1)
    connect = serve(held, requests=1)
    first = connect().send("GET / HTTP/1.1")
    wait_until(lambda: held.running == 1)
    answer = connect().send("GET / HTTP/1.1").answer()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    held.go.set()
    assert first.answer().status == 200
    assert connect().send("GET / HTTP/1.1").answer().status == 200


def test_a_client_with_too_many_requests_is_429(
    serve: Callable[..., Connect], held: Held, wait_until: Callable[..., Any]
) -> None:
    connect = serve(held, requests=1, per_client=3)
    waiting = [connect().send("GET / HTTP/1.1") for _ in range(3)]
    wait_until(lambda: held.running == 1)
    answer = connect().send("GET / HTTP/1.1").answer()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
    held.go.set()
    assert [connection.answer().status for connection in waiting] == [200] * 3


def test_bodies_that_arrive_count_for_their_client(serve: Callable[..., Connect], held: Held) -> None:
    held.go.set()
    connect = serve(held, per_client=2)
    slow = [connect().send("POST / HTTP/1.1", "Content-Length: 9", "Expect: 100-continue") for _ in range(2)]

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    connect = serve(reads, per_client=2)
    slow = [connect().send("POST / HTTP/1.1", "Content-Length: 9", "Expect: 100-continue") for _ in range(2)]
    for connection in slow:
        assert connection.socket.recv(100).startswith(b"HTTP/1.1 100"), "its place is taken"
    assert connect().send("POST / HTTP/1.1", "Content-Length: 9").answer().status == 429


def test_event_streams_are_counted_apart(
    serve: Callable[..., Connect], held: Held, wait_until: Callable[..., Any]
) -> None:
    connect = serve(held, requests=1, streams_per_client=2)
    streams = [connect().send("GET /stream HTTP/1.1") for _ in range(2)]
    for stream in streams:
        assert b"200 OK" in stream.socket.recv(1000)
    answer = connect().send("GET /stream HTTP/1.1").answer()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
    held.go.set()
    assert connect().send("GET / HTTP/1.1").answer().status == 200, "streams take no place of requests"
    streams[0].socket.close()
    wait_until(lambda: b"200 OK" in connect().send("GET /stream HTTP/1.1").socket.recv(1000))
    wait_until(lambda: held.running <= 2)


def test_health_checks_have_places_of_their_own(
    serve: Callable[..., Connect], held: Held, wait_until: Callable[..., Any]
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/healthz":
            await held(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"alive"})

    connect = serve(application, requests=1, probes=["/healthz"])
    busy = [connect().send("GET / HTTP/1.1") for _ in range(3)]
    wait_until(lambda: held.running == 1)
    assert connect().send("GET /healthz HTTP/1.1").answer().body == b"alive"
    held.go.set()
    assert [connection.answer().status for connection in busy] == [200] * 3


# --- Places --------------------------------------------------------------------------------------


def test_clients_get_places_in_turn() -> None:
    """One that asks for many does not keep another waiting behind all of them."""
    order: list[str] = []

    async def request(places: Places, client: str) -> None:
        await places.take(client)
        order.append(client)
        await asyncio.sleep(0)
        places.leave(client)

    async def run() -> Places:
        places = Places(total=1, per_client=10, waiting=10)
        await asyncio.gather(*(request(places, client) for client in ["many"] * 6 + ["one"]))
        return places

    places = asyncio.run(run())
    assert order.index("one") == 2
    assert (places.free, places.waiting, dict(places.held)) == (1, 0, {})


def test_no_place_is_lost_when_waiting_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "WAIT_SECONDS", 0.05)

    async def run() -> Places:
        places = Places(total=1, per_client=3, waiting=2)
        await places.take("a")
        with pytest.raises(BusyError):
            await places.take("b")
        left = asyncio.ensure_future(places.take("c"))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        late = asyncio.ensure_future(places.take("d"))
        await asyncio.sleep(0)
        places.leave("a")  # The place is given to d, which is cancelled before it learns of it.
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        return places

    places = asyncio.run(run())
    assert (places.free, places.waiting, dict(places.held)) == (1, 0, {})


def test_a_client_cannot_wait_with_more_than_its_requests() -> None:
    async def run() -> None:
        places = Places(total=9, per_client=1)
        await places.take("a")
        with pytest.raises(ClientBusyError):
            await places.take("a")
        await places.take("b")

    asyncio.run(run())


# --- Connections ---------------------------------------------------------------------------------


def test_a_client_with_too_many_connections_is_429(serve: Callable[..., Connect], held: Held, settings: Any) -> None:
    settings.WEB_CONNECTIONS_PER_CLIENT = 3
    held.go.set()
    connect = serve(held)
    open_ones = [connect() for _ in range(3)]
    for connection in open_ones:
        assert connection.send("GET / HTTP/1.1").answer().status == 200
    one_too_many = connect()
    assert one_too_many.answer().status == 429
    assert one_too_many.is_closed()


def test_a_trusted_proxy_may_have_more_connections(serve: Callable[..., Connect], held: Held, settings: Any) -> None:
    from ipaddress import ip_network

    settings.WEB_CONNECTIONS_PER_CLIENT = 1
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.0/8")]
    held.go.set()
    connect = serve(held)
    for connection in [connect() for _ in range(3)]:
        assert connection.send("GET / HTTP/1.1").answer().status == 200


def test_too_many_connections_of_all_clients_are_503(serve: Callable[..., Connect], held: Held, settings: Any) -> None:
    settings.WEB_CONNECTIONS = 2
    held.go.set()
    connect = serve(held)
    for connection in [connect() for _ in range(2)]:
        assert connection.send("GET / HTTP/1.1").answer().status == 200
    assert connect().answer().status == 503


# --- Answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_bytes", [30_000_000, 40_000_000])
def test_a_client_that_does_not_take_its_answer_is_dropped(
    serve: Callable[..., Connect], monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any], size_bytes: int
) -> None:
    monkeypatch.setattr(connections, "TAKE_SECONDS", 0.2)
    ended = threading.Event()

    async def long(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(size_bytes // 100_000):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        ended.set()

    connection = serve(long)().send("GET / HTTP/1.1")
    wait_until(ended.is_set, timeout=20)
    wait_until(lambda: not connections.Connection.counts, timeout=20)
    with pytest.raises(OSError):  # noqa: PT011
        while connection.socket.recv(1_000_000):
            pass
        raise ConnectionResetError
