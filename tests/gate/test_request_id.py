"""Ids of requests, which trusted proxies alone may give."""

import re
from collections.abc import Callable
from ipaddress import ip_network

import pytest

from tests.gate.conftest import Connect

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("network", "is_kept"), [("127.0.0.1/32", True), ("10.0.0.0/8", False)])
def test_a_trusted_proxy_gives_the_id(serve: Callable[..., Connect], network: str, is_kept: bool) -> None:
    connect = serve(proxies=[ip_network(network)])
    # The address of the client takes the place of the proxy's.
    answer = connect().send("GET /healthz HTTP/1.1", "X-Request-ID: edge-7", "X-Forwarded-For: 203.0.113.9").answer()
    assert (answer.headers.get_all("X-Request-ID") == ["edge-7"]) is is_kept


def test_of_two_ids_none_is_taken(serve: Callable[..., Connect]) -> None:
    """Some proxies append theirs to that of a stranger."""
    connect = serve(proxies=[ip_network("127.0.0.1/32")])
    answer = connect().send("GET /healthz HTTP/1.1", "X-Request-ID: forged", "X-Request-ID: edge-7").answer()
    (found,) = answer.headers.get_all("X-Request-ID") or [""]
    assert re.fullmatch("[0-9a-f]{32}", found)


@pytest.mark.parametrize("line", ["GET /%ff HTTP/1.1", "GET /healthz HTTP/1.1"])
def test_every_answer_has_one_id(connect: Connect, line: str) -> None:
    answer = connect().send(line, "Content-Type: text/plain; charset*=foo''bar").answer()
    assert answer.status in (200, 400, 404)
    (found,) = answer.headers.get_all("X-Request-ID") or [""]
    assert re.fullmatch("[0-9a-f]{32}", found)
