"""The client's address and scheme, which trusted proxies alone may tell."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from aiWriting import environment
from aiWriting.gate.proxies import TrustedProxies
from apps.core.client import client_of
from tests.gate.conftest import Connect

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"), ip_network("192.0.2.7")]


def seen(peer: str, *forwarded_for: str, proto: str = "", proxies: Any = PROXIES) -> tuple[str, str]:
    """Return the address and the scheme that the views see."""
    headers = [(b"x-forwarded-for", text.encode()) for text in forwarded_for]
    headers += [(b"x-forwarded-proto", proto.encode())] if proto else []
    scope = {"client": (peer, 1234), "scheme": "http", "headers": [(b"host", b"a"), *headers]}
    found = TrustedProxies(proxies).reveal_client(scope)
    assert found["headers"] == [(b"host", b"a")], "no view can believe a header by mistake"
    return found["client"][0], found["scheme"]


@pytest.mark.parametrize("proxies", [[], PROXIES])
@pytest.mark.parametrize("peer", ["198.51.100.1", "127.0.0.1", "::1", "192.0.2.8"])
def test_headers_of_a_stranger_are_not_believed(peer: str, proxies: Any) -> None:
    assert seen(peer, "203.0.113.9", proto="https", proxies=proxies) == (peer, "http")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.7", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        # What the client itself wrote stands at the left.
        ("10.1.2.3", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.1.2.3", ["1.1.1.1, 10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        # More than one proxy.
        ("10.1.2.3", ["1.1.1.1, 203.0.113.9, 10.4.5.6, 192.0.2.7"], "203.0.113.9"),
        # A client in the network of the proxies.
        ("10.1.2.3", ["10.7.7.7"], "10.7.7.7"),
        ("10.1.2.3", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.1.2.3", ["[2001:4860::1]:4711"], "2001:4860::1"),
        ("10.1.2.3", ["2001:4860::1"], "2001:4860::1"),
        ("2001:db8::5", ["::ffff:203.0.113.9"], "203.0.113.9"),
        # Not an address: what stands to its left is not looked at.
        ("10.1.2.3", ["203.0.113.9, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.9, x, 10.4.5.6"], "10.4.5.6"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("10.1.2.3", [" , ,"], "10.1.2.3"),
    ],
)
def test_a_trusted_proxy_tells_the_client(peer: str, forwarded_for: list[str], client: str) -> None:
    assert seen(peer, *forwarded_for)[0] == client


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("https, http", "http"), ("x", "http")],
)
def test_a_trusted_proxy_tells_the_scheme(proto: str, scheme: str) -> None:
    assert seen("10.1.2.3", "203.0.113.9", proto=proto) == ("203.0.113.9", scheme)


def test_other_headers_of_proxies_reach_no_view() -> None:
    names = (b"forwarded", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"x-real-ip")
    scope = {"client": ("10.1.2.3", 1), "scheme": "http", "headers": [(name, b"elsewhere") for name in names]}
    assert TrustedProxies(PROXIES).reveal_client(scope)["headers"] == []


def test_a_peer_that_forwards_and_is_not_trusted_is_told_once(caplog: Any) -> None:
    proxies = TrustedProxies([])
    for _ in range(3):
        proxies.reveal_client({"client": ("10.1.2.3", 1), "headers": [(b"x-forwarded-for", b"1.1.1.1")]})
    assert [record.getMessage() for record in caplog.records] == [
        "forwarded headers ignored, peer is not in TRUSTED_PROXIES peer=10.1.2.3"
    ]


def test_an_ipv6_network_is_one_client() -> None:
    assert client_of("2001:db8:1:2:3:4:5:6") == client_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert client_of("2001:db8:1:3::1") != client_of("2001:db8:1:2::1")
    assert client_of("203.0.113.9") == client_of("::ffff:203.0.113.9") == "203.0.113.9"
    assert client_of("fe80::1%eth0") == "fe80::/64"
    assert client_of("") == "local"


def test_networks_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,2001:db8::/32")
    assert environment.networks("TRUSTED_PROXIES") == PROXIES[:1] + PROXIES[2:] + PROXIES[1:2]
    monkeypatch.delenv("TRUSTED_PROXIES")
    assert environment.networks("TRUSTED_PROXIES") == []


@pytest.mark.parametrize("value", ["*", "10.0.0.1/8", "proxy.example", "10.0.0.0/33"])
def test_a_wrong_network_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", value)
    with pytest.raises(ImproperlyConfigured, match=r"TRUSTED_PROXIES has .*, must be networks or addresses"):
        environment.networks("TRUSTED_PROXIES")


@pytest.mark.parametrize("path", ["/healthz", "/sign-in/", "/?a=%00"])
def test_every_answer_over_https_tells_browsers_to_use_it(
    transactional_db: None, serve: Callable[..., Connect], settings: Settings, path: str
) -> None:
    settings.SECURE_HSTS_SECONDS = 100
    connect = serve(proxies=[ip_network("127.0.0.1")])
    for proto, expected in (("https", ["max-age=100; includeSubDomains"]), ("http", None)):
        answer = connect().send(f"GET {path} HTTP/1.1", f"X-Forwarded-Proto: {proto}").answer()
        assert answer.headers.get_all("Strict-Transport-Security") == expected
