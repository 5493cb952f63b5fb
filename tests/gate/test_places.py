"""Requests, event streams and connections at once: of one client and of all."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.test import Client

from aiWriting.gate import connection as connections
from aiWriting.gate import crowd as crowds
from aiWriting.gate import places as rooms
from aiWriting.gate.crowd import Crowd
from aiWriting.gate.errors import BusyError, ClientBusyError
from aiWriting.gate.known_users import STRANGERS, USER, KnownUsers
from aiWriting.gate.places import Places, Turn
from tests.clients import writer
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


async def quick(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"quick"})


@pytest.fixture
def held() -> Iterator[Held]:
    application = Held()
    yield application
    application.go.set()


def test_requests_wait_for_a_place(serve: Callable[..., Connect], held: Held, wait_until: Callable[..., Any]) -> None:
    connect = serve(held, requests=16)
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


def test_slow_requests_of_others_leave_places_for_a_user(
    serve: Callable[..., Connect], held: Held, wait_until: Callable[..., Any]
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        token = dict(scope["headers"]).get(b"authorization", b"").decode()
        if token:
            scope[USER] = token  # As Django does for a token that it knows.
        await (held if scope["path"] == "/slow" else quick)(scope, receive, send)

    connect = serve(application, requests=16)
    for user in ("jane", "paul"):
        assert connect().send("GET / HTTP/1.1", f"Authorization: {user}").answer().body == b"quick"
    slow = [connect().send("GET /slow HTTP/1.1", *headers) for headers in [()] * 8 + [("Authorization: paul",)] * 8]
    wait_until(lambda: held.running == 4)
    assert connect().send("GET / HTTP/1.1", "Authorization: jane").answer().body == b"quick"
    held.go.set()
    assert [connection.answer().body for connection in slow] == [b"done"] * 16


@pytest.mark.parametrize(("places", "at_once"), [(16, 2), (32, 4)])
def test_a_user_has_an_eighth_of_the_places_at_once(
    serve: Callable[..., Connect], held: Held, wait_until: Callable[..., Any], places: int, at_once: int
) -> None:
    """The others find places free, and share the processor of Python with two requests of each user."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if dict(scope["headers"]).get(b"authorization"):
            scope[USER] = "jane"
        await (held if scope["path"] == "/slow" else quick)(scope, receive, send)

    connect = serve(application, requests=places)
    known = "Authorization: jane"
    assert connect().send("GET / HTTP/1.1", known).answer().body == b"quick"
    slow = [connect().send("GET /slow HTTP/1.1", known) for _ in range(at_once + 3)]
    wait_until(lambda: held.running == at_once)
    assert connect().send("GET / HTTP/1.1").answer().body == b"quick"
    assert held.running == at_once
    held.go.set()
    assert [connection.answer().body for connection in slow] == [b"done"] * len(slow)


def test_a_user_has_one_large_body_at_work(
    transactional_db: None, serve: Callable[..., Connect], wait_until: Callable[..., Any]
) -> None:
    """Views hold the interpreter while they read a manuscript, so each more would slow down all others."""
    go, running = threading.Event(), []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope[USER] = "jane"
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/api/documents/":
            running.append(1)
            await asyncio.to_thread(go.wait, 30)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    token = f"Authorization: Token {writer('jane').token}"
    connect = serve(application, requests=16)
    assert connect().send("GET / HTTP/1.1", token).answer().body == b"done"
    kind = "Content-Type: multipart/form-data; boundary=x"
    upload = ("POST /api/documents/ HTTP/1.1", token, kind, "Content-Length: 70000")
    uploads = [connect().send(*upload, body=b"x" * 70_000) for _ in range(3)]
    wait_until(lambda: running)
    assert connect().send("GET / HTTP/1.1", token).answer().body == b"done", "small requests do not wait behind it"
    assert len(running) == 1
    go.set()
    assert [connection.answer().body for connection in uploads] == [b"done"] * 3


# --- Places --------------------------------------------------------------------------------------


def stranger(client: str) -> Turn:
    return Turn(party=STRANGERS, client=client)


def test_clients_get_places_in_turn() -> None:
    """One that asks for many does not keep another waiting behind all of them."""
    order: list[str] = []

    async def request(places: Places, client: str) -> None:
        place = await places.take(stranger(client))
        order.append(client)
        await asyncio.sleep(0)
        place.leave()

    async def run() -> Places:
        places = Places(total=1, per_client=10, waiting=10)
        await asyncio.gather(*(request(places, client) for client in ["many"] * 6 + ["one"]))
        return places

    places = asyncio.run(run())
    assert order.index("one") == 2
    assert (places.free, places.waiting, places.holding, places.held) == (1, {}, {}, {})


def test_no_place_is_lost_when_waiting_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "WAIT_SECONDS", 0.05)

    async def run() -> Places:
        places = Places(total=1, per_client=3, waiting=2)
        first = await places.take(stranger("a"))
        with pytest.raises(BusyError):
            await places.take(stranger("b"))
        left = asyncio.ensure_future(places.take(stranger("c")))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        late = asyncio.ensure_future(places.take(stranger("d")))
        await asyncio.sleep(0)
        first.leave()  # The place is given to d, which is cancelled before it learns of it.
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        return places

    places = asyncio.run(run())
    assert (places.free, places.waiting, places.holding, places.held) == (1, {}, {}, {})


def test_a_client_cannot_wait_with_more_than_its_requests() -> None:
    async def run() -> None:
        places = Places(total=9, per_client=1)
        await places.take(stranger("a"))
        with pytest.raises(ClientBusyError):
            await places.take(stranger("a"))
        await places.take(stranger("b"))

    asyncio.run(run())


def test_parties_get_places_in_turn_and_no_more_than_their_share() -> None:
    order: list[str] = []
    most: dict[str, int] = {}

    async def request(places: Places, client: str, party: str) -> None:
        turn = Turn(party=party, client=client)
        place = await places.take(turn)
        order.append(party)
        most[party] = max(most.get(party, 0), places.holding[party])
        await asyncio.sleep(0)
        place.leave()

    async def run() -> Places:
        places = Places(total=3, per_client=10, waiting=10, share=2)
        strangers = [request(places, str(number), STRANGERS) for number in range(10)]
        await asyncio.gather(*strangers, *(request(places, "paul", "user 1") for _ in range(3)))
        return places

    places = asyncio.run(run())
    assert max(most.values()) == 2
    assert order[2] == "user 1", "one place was left"
    assert order.index("user 1", 3) <= 5
    assert (places.free, places.waiting, places.holding, places.held) == (3, {}, {}, {})


def test_a_party_that_asks_without_a_pause_runs_one_request_at_a_time() -> None:
    now = 0.0

    async def run() -> Places:
        nonlocal now
        crowd = Crowd(now=lambda: now)
        places = Places(total=16, per_client=99, waiting=99, share=2, crowd=crowd)
        large = Places(total=4, per_client=99, waiting=99, share=2, crowd=crowd)
        paul, jane = Turn(party="user 1", client="a"), Turn(party="user 2", client="a")
        first = [await places.take(paul), await places.take(paul)]
        waiting = [asyncio.ensure_future(places.take(paul)) for _ in range(4)]
        await asyncio.sleep(0)
        now = 5.0  # Six requests in five seconds.
        first.pop().leave()
        first.pop().leave()
        running = await waiting.pop(0)
        also_large = asyncio.ensure_future(large.take(paul))
        await asyncio.sleep(0)
        assert not any(place.done() for place in (*waiting, also_large))
        assert (places.holding["user 1"], large.holding["user 1"]) == (1, 0)
        (await places.take(jane)).leave()  # At once.
        running.leave()
        (await also_large).leave()  # Kinds take turns as well.
        for place in waiting:
            (await place).leave()
        return places

    places = asyncio.run(run())
    assert (places.free, places.waiting, places.holding, places.held) == (16, {}, {}, {})


def test_a_slow_request_keeps_no_other_of_the_crowd_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "SLOW_SECONDS", 0.01)

    async def run() -> None:
        crowd = Crowd(limit=0)
        places = Places(total=16, per_client=99, waiting=99, share=2, crowd=crowd)
        paul, jane = Turn(party="user 1", client="a"), Turn(party="user 2", client="a")
        await places.take(paul)
        slow = await places.take(paul)
        beside = await places.take(jane)
        slow.leave()
        beside.leave()

    asyncio.run(run())


@pytest.mark.parametrize("rests", [True, False], ids=["others", "nobody else"])
def test_the_crowd_rests_as_long_as_its_request_took_if_there_are_others(rests: bool) -> None:
    now = 0.0

    async def run() -> None:
        nonlocal now
        places = Places(total=16, per_client=99, waiting=99, share=2, crowd=Crowd(limit=1, now=lambda: now))
        paul, jane = Turn(party="user 1", client="a"), Turn(party="user 2", client="a")
        first = [await places.take(paul), await places.take(paul)]
        now = 10.0
        waiting = [asyncio.ensure_future(places.take(paul)) for _ in range(2)]
        await asyncio.sleep(0)
        first.pop().leave()
        first.pop().leave()
        running = await waiting.pop(0)
        if rests:
            (await places.take(jane)).leave()
        now += 0.02
        running.leave()
        await asyncio.sleep(0)
        assert waiting[0].done() is not rests
        (await waiting[0]).leave()

    asyncio.run(run())


def test_a_party_that_pauses_leaves_the_crowd() -> None:
    now = 0.0
    crowd = Crowd(now=lambda: now)
    for _ in range(6):
        crowd.arrive("user 1")
    now = 5.0
    asyncio.run(_started(crowd))
    assert not crowd.has_room("user 1")
    for _ in range(6):
        crowd.depart("user 1")
    now = 10.0
    assert crowd.has_room("user 1")


async def _started(crowd: Crowd) -> None:
    crowd.start(object(), "user 1")


def test_strangers_who_wait_fill_no_queue_of_users() -> None:
    async def run() -> None:
        places = Places(total=1, per_client=9, waiting=1)
        first = await places.take(stranger("a"))
        waiting = asyncio.ensure_future(places.take(stranger("b")))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await places.take(stranger("c"))
        user = asyncio.ensure_future(places.take(Turn(party="user 1", client="user 1")))
        await asyncio.sleep(0)
        first.leave()
        (await waiting).leave()
        await user

    asyncio.run(run())


# --- Users ---------------------------------------------------------------------------------------


def test_a_credential_is_that_of_a_user_once_django_said_so() -> None:
    now = 0.0
    users = KnownUsers(now=lambda: now)
    scope: Any = {"headers": [(b"authorization", b"Token x"), (b"cookie", b"csrftoken=a")]}
    assert users.turn(scope, client="a") == stranger("a")
    users.remember(scope)
    assert users.turn(scope, client="a") == stranger("a")
    users.remember({**scope, USER: "7"})
    assert users.turn(scope, client="a").party == "user 7"
    assert users.turn({"headers": [(b"authorization", b"Token y")]}, client="a") == stranger("a")
    now = 601.0
    assert users.turn(scope, client="a") == stranger("a")


@pytest.mark.parametrize("credential", ["token", "session"])
def test_django_says_whose_a_credential_is(
    transactional_db: None, serve: Callable[..., Connect], credential: str
) -> None:
    found: list[Any] = []
    django = ASGIHandler()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async def look(message: Any) -> None:
            if message["type"] == "http.response.start":
                found.append(scope.get(USER))
            await send(message)

        await django(scope, receive, look)

    jane = writer("jane")
    browser = Client()
    browser.force_login(jane.user)
    header = {
        "token": f"Authorization: Token {jane.token}",
        "session": f"Cookie: sessionid={browser.cookies['sessionid'].value}",
    }[credential]
    connect = serve(application)
    path = {"token": "/api/projects/", "session": "/"}[credential]
    assert connect().send(f"GET {path} HTTP/1.1", header).answer().status == 200
    assert connect().send(f"GET {path} HTTP/1.1", "Authorization: Token made-up").answer().status in (302, 401)
    assert found == [str(jane.user.pk), None]


# --- Connections ---------------------------------------------------------------------------------


def test_a_client_with_too_many_requests_on_connections_is_429(
    serve: Callable[..., Connect], held: Held, settings: Any, wait_until: Callable[..., Any]
) -> None:
    settings.WEB_CONNECTIONS_PER_CLIENT = 3
    connect = serve(held, requests=32)
    working = [connect().send("GET / HTTP/1.1") for _ in range(3)]
    wait_until(lambda: held.running == 3)
    one_too_many = connect()
    answer = one_too_many.answer()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
    assert answer.body == b"Too many requests at once. Wait until some are answered, then try again.\n"
    assert one_too_many.is_closed()
    held.go.set()
    assert [connection.answer().body for connection in working] == [b"done"] * 3


def test_half_sent_heads_keep_no_request_of_their_client_out(
    serve: Callable[..., Connect], held: Held, settings: Any, wait_until: Callable[..., Any]
) -> None:
    """An office shares an address, and one of its people may be an attacker."""
    settings.WEB_CONNECTIONS_PER_CLIENT = 3
    held.go.set()
    connect = serve(held, requests=16)
    user = connect()
    assert user.send("GET / HTTP/1.1").answer().status == 200
    halves = [connect().send_bytes(b"GET / HTTP/1.1\r\nHost: 1") for _ in range(20)]
    assert halves[0].answer().status == 408
    assert halves[0].is_closed()
    # Connections that had a request are ended last.
    assert user.send("GET / HTTP/1.1").answer().status == 200
    assert connect().send("GET / HTTP/1.1").answer().status == 200
    wait_until(lambda: connections.Connection.counts.total() <= 3)


def test_answers_that_are_not_taken_keep_no_request_of_their_client_out(
    serve: Callable[..., Connect], settings: Any, wait_until: Callable[..., Any]
) -> None:
    settings.WEB_CONNECTIONS_PER_CLIENT = 2
    answered: list[str] = []

    async def long(scope: Any, receive: Any, send: Any) -> None:
        size_bytes = 10 if scope["path"] == "/" else 20_000_000
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * size_bytes})
        answered.append(scope["path"])

    connect = serve(long)
    stuck = [connect().send("GET /long HTTP/1.1") for _ in range(2)]
    wait_until(lambda: len(answered) == 2, timeout=20)
    assert connect().send("GET / HTTP/1.1").answer().body == b"x" * 10
    assert stuck[0].is_closed()


def test_a_trusted_proxy_may_have_more_connections(serve: Callable[..., Connect], held: Held, settings: Any) -> None:
    from ipaddress import ip_network

    settings.WEB_CONNECTIONS_PER_CLIENT = 1
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.0/8")]
    held.go.set()
    connect = serve(held)
    for connection in [connect() for _ in range(3)]:
        assert connection.send("GET / HTTP/1.1").answer().status == 200


def test_too_many_requests_of_all_clients_on_connections_are_503(
    serve: Callable[..., Connect], held: Held, settings: Any, wait_until: Callable[..., Any]
) -> None:
    settings.WEB_CONNECTIONS = 2
    connect = serve(held, requests=16)
    for _ in range(2):
        connect().send("GET / HTTP/1.1")
    wait_until(lambda: held.running == 2)
    assert connect().answer().status == 503


def test_half_sent_heads_of_all_clients_keep_no_request_out(
    serve: Callable[..., Connect], held: Held, settings: Any
) -> None:
    settings.WEB_CONNECTIONS = 2
    held.go.set()
    connect = serve(held)
    halves = [connect().send_bytes(b"GET / HTTP/1.1\r\nHost: 1") for _ in range(5)]
    assert connect().send("GET / HTTP/1.1").answer().status == 200
    assert halves[0].answer().status == 408


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
