"""Heads that no view could make sense of: 400, whatever Django would do with them."""

import json
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest

from aiWriting.gate import connection as connections
from tests.clients import Writer, writer
from tests.gate.conftest import Connect

COOKIE = "Cookie: csrftoken=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
URLENCODED = "application/x-www-form-urlencoded"


#: Content types that Django, or a view, would fail on.
UNREADABLE = [
    "text/plain; charset*=foo''bar",
    "text/plain; charset*=utf-8''%ff",
    "text/plain; charset*0*=foo''bar",
    "text/plain; name*=foo''bar",
    f"{URLENCODED}; charset=utf-16",
    f"{URLENCODED}; charset=utf-7",
    f"{URLENCODED}; charset=rot13",
    f"{URLENCODED}; charset=undefined",
    f"{URLENCODED}; charset=idna",
    f"{URLENCODED}; charset=latin-1",
    'text/plain; charset="a\x80b"',
    "application/json; charset=utf-32",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    f"multipart/form-data; boundary={'x' * 202}",
    'multipart/form-data; boundary="x "',
    "multipart/form-data; boundary=\xe9",
]
READABLE = ["", "x", "text/plain; charset=UTF8", "text/plain; charset=us-ascii", "a/b;;="]

#: Addresses that are no text, or no address of this site.
NO_ADDRESSES = [
        "/%00", "/a%00b", "/%ff", "/%C3", "/%ED%A0%80", "/projects/%FE%FF/", "/?q=%00", "/?q=%ff", "/?%E2%82=1",
        "/api/tasks/?status=%00", "/admin/?a=%ED%A0%80", "*", "http://127.0.0.1/healthz", "a",
]  # fmt: skip
ODD_ADDRESSES = ["/%", "/%zz", "/%C3%A9", "/a//b", "/..%2f..", "/?q=%", "/?q=%zz", "/?&&==&;", "//"]

HEADERS = [
    r'Cookie: sessionid="\000aaaaaaaaaaaaaa"',
    r'Cookie: a=b; sessionid="a\000"',
    r'Cookie: csrftoken="\000"',
    "Host: ",
    "Host: a b",
    "Host: [::1",
    "Host: 127.0.0.1:x",
    "Host: elsewhere.example",
    "Host: \xe9",
    "Content-Length: -1",
    "Content-Length: 1, 2",
    "Content-Length: x",
    "Transfer-Encoding: gzip, chunked",
    "a b: c",
    " folded: first",
    "x: \x00",
]
CONTRADICTIONS = [
    ("Content-Length: 3", "Content-Length: 4"),
    ("Content-Length: 3", "Transfer-Encoding: chunked"),
    ("Content-Type: text/plain", "Content-Type: application/json"),
    ("Host: 127.0.0.1", "Host: localhost"),
]
METHODS = ["CONNECT", "TRACE", "BREW", "get", "GET\x00"]
PATHS = ("/healthz", "/sign-in/", "/nothing", "/api/projects/")


def statuses(connect: Connect, heads: Iterable[tuple[str, ...]], *, body: bytes = b"") -> dict[tuple[str, ...], int]:
    """Return the status of the answer to each head."""
    return {head: connect().send(*head, body=body).answer().status for head in heads}


def all_are(expected: set[int], found: dict[tuple[str, ...], int]) -> bool:
    wrong = {head: status for head, status in found.items() if status not in expected}
    assert wrong == {}
    return bool(found)


def test_a_content_type_that_cannot_be_read_is_400(connect: Connect) -> None:
    heads = [
        (f"POST {path} HTTP/1.1", COOKIE, f"Content-Type: {content_type}", "Content-Length: 3")
        for content_type, path in product(UNREADABLE, PATHS)
    ]
    assert all_are({400}, statuses(connect, heads, body=b"a=b"))
    bodiless = [("GET /healthz HTTP/1.1", f"Content-Type: {content_type}") for content_type in UNREADABLE]
    assert all_are({400}, statuses(connect, bodiless))


def test_other_content_types_are_for_the_view(connect: Connect) -> None:
    heads = [("GET /healthz HTTP/1.1", f"Content-Type: {content_type}") for content_type in READABLE]
    assert all_are({200}, statuses(connect, heads))


def test_an_address_that_is_no_text_is_400(connect: Connect) -> None:
    assert all_are({400}, statuses(connect, [(f"GET {address} HTTP/1.1",) for address in NO_ADDRESSES]))


def test_an_odd_address_is_not_found(connect: Connect) -> None:
    assert all_are({302, 404}, statuses(connect, [(f"GET {address} HTTP/1.1",) for address in ODD_ADDRESSES]))


def test_an_address_that_is_too_long_is_414(connect: Connect) -> None:
    assert connect().send(f"GET /{'a' * 5_000}?q={'a' * 5_000} HTTP/1.1").answer().status == 414
    assert connect().send(f"GET /healthz?q={'a' * 5_000} HTTP/1.1").answer().status == 200


CHUNKED = ("Content-Type: application/json", "Transfer-Encoding: chunked")
NO_CHUNK = b"zz\r\n"


@pytest.mark.parametrize(
    ("request_line", "chunk", "status"),
    [
        ("POST /api/projects/", b"11000\r\n" + b"x" * 0x11000 + b"\r\n", 413),
        ("POST /api/documents/", b"1\r\nx\r\n", 401),
        ("TRACE /healthz", b"1\r\nx\r\n", 405),
    ],
)
def test_a_body_that_breaks_after_its_refusal_is_no_error_of_ours(
    connect: Connect, caplog: pytest.LogCaptureFixture, request_line: str, chunk: bytes, status: int
) -> None:
    """The refusal is on its way while the body still arrives."""
    connection = connect().send(f"{request_line} HTTP/1.1", *CHUNKED, body=chunk)
    assert connection.answer().status == status
    connection.send_bytes(NO_CHUNK)
    assert connection.is_closed()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("request_line", ["TRACE /healthz", "POST /sign-in/", "GET /api/projects/"])
def test_a_body_that_breaks_at_once_is_400(
    connect: Connect, caplog: pytest.LogCaptureFixture, request_line: str
) -> None:
    """The view, or the refusal of the request, would answer after it."""
    connection = connect().send(f"{request_line} HTTP/1.1", *CHUNKED, body=b"1\r\nx\r\n" + NO_CHUNK)
    assert connection.answer().status == 400
    assert connection.is_closed()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_another_protocol_is_not_spoken_and_not_logged(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    assert connect().send("GET /healthz HTTP/1.1", *upgrade).answer().status == 200
    assert "Unsupported upgrade" not in caplog.text


def test_a_header_that_makes_no_sense_is_400(connect: Connect) -> None:
    heads = [(f"GET {path} HTTP/1.1", header) for path, header in product(PATHS, HEADERS)]
    assert all_are({400}, statuses(connect, heads))


def test_headers_that_contradict_each_other_are_400(connect: Connect) -> None:
    heads = [("POST /healthz HTTP/1.1", *pair) for pair in CONTRADICTIONS]
    assert all_are({400}, statuses(connect, heads, body=b"0\r\n\r\n"))


def test_an_unknown_method_is_refused(connect: Connect) -> None:
    assert all_are({400, 405}, statuses(connect, [(f"{method} /healthz HTTP/1.1",) for method in METHODS]))


def test_the_refusal_of_an_unknown_method_tells_the_known_ones(connect: Connect) -> None:
    answer = connect().send("TRACE /api/projects/ HTTP/1.1").answer()
    assert answer.status == 405
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


def test_a_head_without_end_is_refused(connect: Connect) -> None:
    connection = connect().send_bytes(b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 100_000)
    assert connection.answer().status == 400
    assert connection.is_closed()


def test_too_many_headers_are_refused(connect: Connect) -> None:
    assert connect().send("GET /healthz HTTP/1.1", *["x: y"] * 200).answer().status == 431
    assert connect().send("GET /healthz HTTP/1.1", f"x: {'y' * 40_000}").answer().status in (400, 431)
    assert connect().send("GET /healthz HTTP/1.1", *["x: y"] * 90).answer().status == 200


def test_a_head_of_very_many_lines_is_refused_before_it_is_parsed(connect: Connect) -> None:
    """Each line takes as long as a long one. Sixteen senders of them made a health check wait for three seconds."""
    many = b"x:y\r\n" * connections.HEAD_LINES
    one = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    assert connect().send_bytes(one + many + b"\r\n").answer().status == 400
    assert connect().send_bytes(one + many).answer().status == 400, "its end has not come yet"
    pipelined = connect().send_bytes(one + b"\r\n" + one + many + b"\r\n")
    answers = b"".join(iter(lambda: pipelined.socket.recv(65_536), b""))
    assert (answers.count(b"HTTP/1.1 200"), answers.count(b"HTTP/1.1 400")) == (1, 1)


def test_the_lines_of_a_body_are_no_lines_of_its_head(connect: Connect, jane: Writer) -> None:
    body = b'{"name": "Emma"' + b"\n" * 2_000 + b"}"
    head = ("POST /api/projects/ HTTP/1.1", f"Authorization: Token {jane.token}", "Content-Type: application/json")
    assert connect().send(*head, f"Content-Length: {len(body)}", body=body).answer().status == 201


def test_the_api_says_in_json_what_is_wrong(connect: Connect) -> None:
    answer = connect().send("GET /api/projects/?a=%00 HTTP/1.1").answer()
    assert json.loads(answer.body) == {"detail": "The query is no text in UTF-8."}


def test_no_answer_names_the_server(transactional_db: None, serve: Callable[..., Connect]) -> None:
    connect = serve()
    for path in ("/healthz", "/nothing", "/?a=%00"):
        headers = connect().send(f"GET {path} HTTP/1.1").answer().headers
        assert not {"x-powered-by", "via"} & {name.lower() for name in headers}


def test_a_refusal_loads_nothing_and_is_in_no_frame(transactional_db: None, serve: Callable[..., Connect]) -> None:
    headers = serve()().send("TRACE / HTTP/1.1").answer().headers
    found = {name.lower(): value for name, value in headers.items()}

    assert found["content-security-policy"] == "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    assert found["x-content-type-options"] == "nosniff"


def test_bytes_that_are_no_http_get_a_refusal_with_the_same_headers(connect: Connect, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 60
    answer = connect().send_bytes(b"\x16\x03\x01\x02\r\n\r\n").answer()

    assert (answer.status, answer.body) == (
        400,
        b"This is no HTTP, or it has too many headers or too many small chunks.\n",
    )
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=60")


# --- Forms ---------------------------------------------------------------------------------------


@pytest.fixture
def jane(transactional_db: None) -> Writer:
    return writer("jane")


FORMS = {
    "urlencoded, not UTF-8": (URLENCODED, b"a=\xff\xfe&b=%ff%fe"),
    "urlencoded, NUL": (URLENCODED, b"username=%00&password=\0&name=%00&title=\0"),
    "urlencoded, UTF-16": (URLENCODED, "a=b&csrfmiddlewaretoken=c".encode("utf-16")),
    "urlencoded, many fields": (URLENCODED, b"&".join(b"a=%d" % number for number in range(2_000))),
    "multipart, no part": ("multipart/form-data; boundary=x", b"a=b"),
    "multipart, cut off": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a'),
    "multipart, odd charset of a name": (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data; name*=foo''bar\r\n\r\na\r\n--x--\r\n",
    ),
    "multipart, broken base64": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n=a=b\r\n--x--\r\n",
    ),
    "multipart, NUL": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="username\0"; filename="\0"\r\n\r\n\0\r\n--x--\r\n',
    ),
}


def test_a_form_that_cannot_be_read_is_no_error_of_ours(connect: Connect, jane: Writer) -> None:
    paths = ("/healthz", "/sign-in/", "/nothing", "/admin/login/", "/", "/api/token/", "/api/documents/")
    senders = (COOKIE, f"Authorization: Token {jane.token}")
    for (kind, body), path, sender in product(FORMS.values(), paths, senders):
        head = (f"POST {path} HTTP/1.1", sender, f"Content-Type: {kind}", f"Content-Length: {len(body)}")
        assert connect().send(*head, body=body).answer().status < 500, (head, body)


# --- Time ----------------------------------------------------------------------------------------


def test_a_head_that_does_not_come_is_given_up(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    half = connect().send_bytes(b"GET / HTTP/1.1\r\nHost: x")
    silent = connect()
    answer = half.answer()
    assert (answer.status, answer.body) == (408, b"The request arrives too slowly.\n")
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == ("nosniff", "no-store")
    assert half.is_closed()
    assert silent.is_closed()


def test_the_time_of_a_head_is_counted_from_its_first_byte(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    slow = connect().send_bytes(b"GET / HTTP/1.1\r\n")
    with pytest.raises(OSError):  # noqa: PT011 - the connection is reset or closed.
        for number in range(100_000):
            slow.send_bytes(b"x%d: y\r\n" % number)
            slow.socket.settimeout(0.01)
            try:
                if not slow.socket.recv(1):
                    raise ConnectionResetError
            except TimeoutError:
                slow.socket.settimeout(20)


def test_the_next_head_of_a_connection_has_its_time_too(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    connection = connect().send("GET /healthz HTTP/1.1")
    assert connection.answer().status == 200
    connection.send_bytes(b"GET /healthz HT")
    assert connection.is_closed()


def test_requests_in_one_packet_are_answered_in_turn(connect: Connect) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    connection = connect().send_bytes(one * 3)
    answers = b""
    while answers.count(b"HTTP/1.1 200") < 3:
        found = connection.socket.recv(65536)
        assert found, answers
        answers += found


def test_a_closed_connection_is_no_longer_counted(connect: Connect) -> None:
    before = dict(connections.Connection.counts)
    for _ in range(3):
        with connect() as connection:
            assert connection.send("GET /healthz HTTP/1.1", "Connection: close").answer().status == 200
            assert connection.is_closed()
    assert connections.Connection.counts == before
