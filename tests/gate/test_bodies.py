"""Bodies: how large they may be, who may send large ones, and how slow they may come."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from aiWriting.gate import body as bodies
from apps.accounts.quotas.model import Meter
from apps.core.body import SMALL_BODY_BYTES, limit_of
from apps.documents.models import Document
from apps.projects.models import Project
from tests import rows
from tests.clients import Writer, writer
from tests.gate.conftest import Connect

MIB = 1024 * 1024
JSON = "Content-Type: application/json"
FORM = "multipart/form-data; boundary=x"


@pytest.fixture
def jane(transactional_db: None) -> Writer:
    return writer("jane")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the size of the body that arrived. As Django, do nothing after a disconnect."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


# --- Sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method", "content_type", "most_bytes"),
    [
        ("/healthz", "POST", "", SMALL_BODY_BYTES),
        ("/sign-in/", "POST", "", SMALL_BODY_BYTES),
        ("/api/token/", "POST", "application/json", SMALL_BODY_BYTES),
        ("/api/projects/", "POST", "application/json", SMALL_BODY_BYTES),
        ("/api/documents/", "GET", "application/json", SMALL_BODY_BYTES),
        ("/api/documents/7/", "PATCH", "application/json", SMALL_BODY_BYTES),
        ("/api/documents/", "POST", FORM, 50 * MIB + SMALL_BODY_BYTES),
        ("/api/documents/", "POST", "application/json", 150 * MIB + SMALL_BODY_BYTES),
        ("/projects/7/paste/", "POST", FORM, 50 * MIB + SMALL_BODY_BYTES),
        ("/projects/7/upload/", "POST", FORM, 300 * MIB + SMALL_BODY_BYTES),
        ("/admin/login/", "POST", "", SMALL_BODY_BYTES),
        ("/admin/documents/document/add/", "POST", "", 50 * MIB + SMALL_BODY_BYTES),
        ("/admin/tasks/taskstatus/", "POST", "", SMALL_BODY_BYTES),
    ],
)
def test_a_view_says_how_large_a_body_it_takes(path: str, method: str, content_type: str, most_bytes: int) -> None:
    assert limit_of(resolve(path).func, method=method, content_type=content_type) == most_bytes


@pytest.mark.parametrize("path", ["/healthz", "/sign-in/", "/nothing", "/api/projects/", "/admin/login/"])
def test_a_length_above_the_limit_is_refused_before_the_body_arrives(connect: Connect, path: str) -> None:
    answer = connect().send(f"POST {path} HTTP/1.1", JSON, "Content-Length: 99999999999", body=b"{").answer()

    assert answer.status == 413
    assert b"The request has 99,999,999,999 bytes, and at most 65,536 can be taken." in answer.body


def test_the_api_refuses_in_json(connect: Connect) -> None:
    answer = connect().send("POST /api/projects/ HTTP/1.1", JSON, "Content-Length: 65537").answer()

    assert json.loads(answer.body) == {"detail": "The request has 65,537 bytes, and at most 65,536 can be taken."}


def test_a_body_without_an_end_is_refused_at_the_limit(connect: Connect) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"

    answer = connect().send("POST /api/projects/ HTTP/1.1", JSON, "Transfer-Encoding: chunked", body=chunk * 3).answer()

    assert answer.status == 413
    assert json.loads(answer.body) == {"detail": "The request has over 65,536 bytes, and at most 65,536 can be taken."}


@pytest.mark.parametrize("size_bytes", [30, SMALL_BODY_BYTES])
def test_a_body_within_the_limit_is_accepted(connect: Connect, jane: Writer, size_bytes: int) -> None:
    body = b'{"name": "Emma"}'.ljust(size_bytes)
    token = f"Authorization: Token {jane.token}"

    answer = connect().send("POST /api/projects/ HTTP/1.1", JSON, token, f"Content-Length: {size_bytes}", body=body)

    assert answer.answer().status == 201
    assert Project.objects.get().owner == jane.user


def test_a_client_that_sends_on_can_read_the_refusal(connect: Connect) -> None:
    connection = connect().send("POST /healthz HTTP/1.1", "Content-Length: 1000000")
    connection.send_bytes(b"x" * 1_000_000)
    assert connection.answer().status == 413
    assert connection.is_closed()


def test_a_refused_body_is_dropped_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a sender at full speed does not keep the process busy."""
    monkeypatch.setattr(bodies, "DROP_SECONDS", 0.2)
    received = 0

    async def receive() -> Any:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"x", "more_body": True}

    asyncio.run(bodies.Body(receive, limit_bytes=1).drop())
    assert 1 <= received <= 5


def in_chunks(number: int, size_bytes: int) -> bytes:
    return (b"%x\r\n%s\r\n" % (size_bytes, b"x" * size_bytes)) * number + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("number", "size_bytes", "status"), [(2_000, 1, 200), (2_100, 1, 400), (2_500, 26, 200), (2_600, 26, 400)]
)
def test_a_body_in_too_many_small_chunks_is_refused(
    serve: Callable[..., Connect], number: int, size_bytes: int, status: int
) -> None:
    """Each chunk takes as long as a large one. One sender of tiny ones made all others wait for ten seconds."""
    connection = serve(echo)().send("POST / HTTP/1.1", "Transfer-Encoding: chunked")
    assert connection.send_bytes(in_chunks(number, size_bytes)).answer().status == status


def test_the_chunks_of_each_request_are_counted_anew(serve: Callable[..., Connect]) -> None:
    connection = serve(echo)()
    for _ in range(2):
        connection.send("POST / HTTP/1.1", "Transfer-Encoding: chunked").send_bytes(in_chunks(1_500, 1))
        assert connection.answer().body == b"1500"


# --- Users ---------------------------------------------------------------------------------------


def test_a_strangers_large_body_is_not_received(connect: Connect) -> None:
    """Its sender gets the answer that the view has for strangers."""
    large = ("Content-Length: 9000000", f"Content-Type: {FORM}")
    assert connect().send("POST /api/documents/ HTTP/1.1", *large).answer().status == 401
    made_up = "Authorization: Token 0123456789"
    assert connect().send("POST /api/documents/ HTTP/1.1", made_up, *large).answer().status == 401
    cookie = "Cookie: sessionid=0123456789abcdef0123456789abcdef"
    assert connect().send("POST /projects/7/paste/ HTTP/1.1", cookie, *large).answer().status == 403
    endless = ("Transfer-Encoding: chunked", f"Content-Type: {FORM}")
    assert connect().send("POST /api/documents/ HTTP/1.1", *endless).answer().status == 401


def form(project: Project, text: bytes) -> bytes:
    fields = {"project": str(project.pk).encode(), "title": b"Emma", "text": text}
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--x--\r\n"


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_users_large_body_is_received(connect: Connect, jane: Writer, is_chunked: bool) -> None:
    project = rows.project(owner="jane")
    body = form(project, b"one two three\n" * 20_000)
    how = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if is_chunked else body
    token = f"Authorization: Token {jane.token}"

    answer = connect().send("POST /api/documents/ HTTP/1.1", token, f"Content-Type: {FORM}", how, body=sent).answer()

    # The API takes no form of unknown length.
    assert (answer.status, Document.objects.count()) == ((411, 0) if is_chunked else (201, 1))


def test_a_body_above_the_quota_of_a_user_is_not_received(connect: Connect, jane: Writer, settings: Any) -> None:
    settings.QUOTA_STORED_MEGABYTES = 1
    upload = ("POST /api/documents/ HTTP/1.1", f"Authorization: Token {jane.token}", f"Content-Type: {FORM}")

    answer = connect().send(*upload, "Content-Length: 9000000").answer()

    assert answer.status == 413
    assert "and this text needs at least" in json.loads(answer.body)["detail"]
    Meter.objects.create(user=jane.user, uploads_free_at=timezone.now() + timedelta(seconds=90))
    answer = connect().send(*upload, "Content-Length: 900000").answer()
    assert (answer.status, answer.headers["Retry-After"] is not None) == (429, True)


def test_a_session_lets_a_page_receive_a_large_body(connect: Connect, jane: Writer) -> None:
    project = rows.project(owner="jane")
    browser = Client()
    browser.force_login(jane.user)
    browser.get("/")
    token = browser.cookies["csrftoken"].value
    cookies = f"Cookie: csrftoken={token}; sessionid={browser.cookies['sessionid'].value}"
    body = form(project, b"one two three\n" * 20_000)

    answer = connect().send(
        f"POST /projects/{project.pk}/paste/ HTTP/1.1",
        cookies, f"X-CSRFToken: {token}", f"Content-Type: {FORM}", f"Content-Length: {len(body)}",
        body=body,
    ).answer()  # fmt: skip

    assert (answer.status, Document.objects.count()) == (302, 1)


# --- Time ----------------------------------------------------------------------------------------


def test_a_body_that_does_not_arrive_is_given_up(
    serve: Callable[..., Connect], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "DROP_SECONDS", 0.1)
    connection = serve(echo)().send("POST / HTTP/1.1", "Content-Length: 10", body=b"x")
    assert connection.answer().status == 408
    assert connection.is_closed()


def test_a_body_that_keeps_a_rate_is_received(serve: Callable[..., Connect], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 20.0)
    connection = serve(echo)().send("POST / HTTP/1.1", "Content-Length: 3", body=b"x")
    connection.send_bytes(b"y").send_bytes(b"z")
    assert connection.answer().body == b"3"


def test_no_rate_makes_a_body_last_for_ever(serve: Callable[..., Connect], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "DROP_SECONDS", 0.1)
    assert serve(echo)().send("POST / HTTP/1.1", "Content-Length: 10", body=b"xx").answer().status == 408


def test_the_limits_of_the_site_allow_its_largest_upload_on_a_slow_line() -> None:
    seconds = bodies.GRACE_SECONDS + django_settings.DOCUMENT_MAX_UPLOAD_BYTES / bodies.LEAST_RATE_BYTES
    assert seconds > bodies.LIMIT_SECONDS > django_settings.DOCUMENT_MAX_UPLOAD_BYTES / 65_536
