"""Bodies that are refused before they are received, behind a real ASGI server."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from django.core.handlers.asgi import ASGIHandler

from aiWriting.body_limit import BodyLimit
from apps.projects.models import Project
from tests.clients import Writer, writer
from tests.web import TIMEOUT_SECONDS, serving

LIMIT_BYTES = 1_000
HEAD = "POST /api/projects/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture
def jane(transactional_db: None) -> Writer:
    return writer("jane")


@pytest.fixture
def port(transactional_db: None) -> Iterator[int]:
    with serving(BodyLimit(ASGIHandler(), limit_bytes=LIMIT_BYTES)) as number:
        yield number


def answer_to(port: int, *, head: str, body: bytes) -> tuple[int, dict[str, str]]:
    """Send a request, or only its beginning. Return the status and the JSON of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(head.encode() + b"\r\n" + body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, json.loads(response.read())


def test_a_length_above_the_limit_is_refused_before_the_body_arrives(port: int) -> None:
    status, answer = answer_to(port, head=f"{HEAD}Content-Length: 99999999999\r\n", body=b"{")

    assert status == 413
    assert answer == {"detail": "The request has 99,999,999,999 bytes, and at most 1,000 can be taken."}


def test_a_body_without_an_end_is_refused_at_the_limit(port: int) -> None:
    chunk = b"200\r\n" + b"x" * 0x200 + b"\r\n"

    status, answer = answer_to(port, head=f"{HEAD}Transfer-Encoding: chunked\r\n", body=chunk * 2)

    assert status == 413
    assert answer == {"detail": "The request has over 1,000 bytes, and at most 1,000 can be taken."}


@pytest.mark.parametrize("size_bytes", [30, LIMIT_BYTES])
def test_a_body_within_the_limit_is_accepted(port: int, jane: Writer, size_bytes: int) -> None:
    body = b'{"name": "Emma"}'.ljust(size_bytes)
    head = f"{HEAD}Authorization: Token {jane.token}\r\nContent-Length: {len(body)}\r\n"

    status, answer = answer_to(port, head=head, body=body)

    assert (status, answer["name"]) == (201, "Emma")
    assert Project.objects.get().owner == jane.user
