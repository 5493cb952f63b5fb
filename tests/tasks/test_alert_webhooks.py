"""Webhooks of alerts: signed, never to an address inside, and never along a redirect."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from apps.tasks.alerts import webhook
from tests.docs.pages import DOCS, blocks

SECRET = "a secret that both sides know"


class Receiver(HTTPServer):
    """A server that keeps what it gets.

    Parameters:
      status: Status of its answers.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?key=1"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:1/inside")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Write nothing to the terminal."""


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.TASK_ALERT_NETWORKS = ["127.0.0.0/8"]
    settings.TASK_ALERT_SECRET = SECRET
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def documented_check() -> Any:
    """Return the function that the documentation gives to receivers."""
    [code] = [block for block in blocks(DOCS / "alerts.md", "python") if "def is_genuine" in block]
    names: dict[str, Any] = {}
    exec(code, names)
    return names["is_genuine"]


def test_what_is_posted_is_json_that_the_documented_check_takes(receiver: Receiver) -> None:
    webhook.post(receiver.url, {"sentence": "No worker lives: tasks wait."})
    [(path, headers, body)] = receiver.got
    assert path == "/hook?key=1"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"sentence": "No worker lives: tasks wait."}
    is_genuine, header = documented_check(), headers[webhook.SIGNATURE_HEADER]
    assert is_genuine(body, header, SECRET)
    assert not is_genuine(body + b" ", header, SECRET)
    assert not is_genuine(body, header, "another secret")
    assert not is_genuine(body, re.sub(r"t=\d+", "t=1", header), SECRET)
    assert not is_genuine(body, webhook.sign(body, secret=SECRET, at=int(time.time()) - 3600), SECRET)
    assert not is_genuine(body, "", SECRET)


def test_without_a_secret_nothing_is_signed(receiver: Receiver, settings: Any) -> None:
    settings.TASK_ALERT_SECRET = ""
    webhook.post(receiver.url, {})
    assert webhook.SIGNATURE_HEADER not in receiver.got[0][1]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(webhook.WebhookRefusedError, match=f"answered with {status}, and redirects are not followed"):
        webhook.post(receiver.url, {})
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("status", "is_for_good"), [(404, True), (410, True), (429, False), (408, False), (503, False)]
)
def test_an_answer_says_whether_to_try_again(receiver: Receiver, status: int, is_for_good: bool) -> None:
    receiver.status = status
    with pytest.raises(webhook.WebhookError, match=f"127.0.0.1 answered with {status}") as raised:
        webhook.post(receiver.url, {})
    assert isinstance(raised.value, webhook.WebhookRefusedError) is is_for_good
    assert "key" not in str(raised.value)


INSIDE = [
    "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "::", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    with pytest.raises(webhook.WebhookRefusedError, match=r"hooks\.example\.com has no address outside"):
        webhook.post("https://hooks.example.com/tasks", {})


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        names.append(host)
        inside = len(names) > 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1" if inside else "93.184.215.14", 443))]

    def connect(address: tuple[str, int], timeout: float) -> Any:
        assert timeout == webhook.CONNECT_SECONDS
        raise ConnectionRefusedError(address[0])

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConnectionRefusedError, match=r"93\.184\.215\.14"):
        webhook.post("https://hooks.example.com/tasks", {})
    assert names == ["hooks.example.com"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example.com/", "it must begin with https://"),
        ("ftp://hooks.example.com/", "it must be an address such as"),
        ("https://", "it must be an address such as"),
        ("https://user:pass@hooks.example.com/", "it must have no user and no password"),
        ("https://10.0.0.1/", "10.0.0.1 is an address inside"),
        ("https://[::1]/", "::1 is an address inside"),
        ("https://hooks.example.com/a\r\nX-Evil: 1", "it must have neither spaces"),
        ("https://hooks.example.com:99999/", "Port out of range"),
        ("https://hooks.example.com:0/", "its port must be"),
        ("https://[::1", "Invalid IPv6 URL"),
    ],
)
def test_a_wrong_address_is_refused_with_the_reason(url: str, reason: str) -> None:
    assert reason in webhook.why_wrong(url)
    with pytest.raises(webhook.WebhookRefusedError):
        webhook.post(url, {})


def test_a_right_address_is_taken() -> None:
    assert webhook.why_wrong("https://hooks.slack.com/services/T0/B0/x?y=1") == ""
