"""The address of the client, which only trusted proxies may tell."""

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from aiWriting.gate.asgi import Headers, Scope
from apps.core import request_id

logger = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network

#: Headers in which proxies tell where a request comes from. None of them reaches a view.
FORWARDED = (b"forwarded", b"x-real-ip")
FORWARDED_PREFIX = b"x-forwarded-"
REQUEST_ID = request_id.HEADER.lower().encode()


class TrustedProxies:
    """Networks of the proxies whose headers are believed."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self.networks = tuple(networks)
        self.is_trusted = lru_cache(maxsize=4096)(self._is_trusted)
        self._told = False

    def _is_trusted(self, address: str) -> bool:
        found = parsed(address)
        return found is not None and any(found in network for network in self.networks)

    def reveal_client(self, scope: Scope) -> Scope:
        """Return the scope with the client's own address and scheme, and without forwarded headers."""
        forwarded = [pair for pair in scope["headers"] if is_forwarded(pair[0])]
        if not forwarded:
            return scope
        headers = [pair for pair in scope["headers"] if not is_forwarded(pair[0])]
        changed: dict[str, Any] = {**scope, "headers": headers}
        peer = scope.get("client")
        if peer is None or not self.is_trusted(peer[0]):
            self._tell_once(peer)
            return changed
        changed["client"] = (self._client(peer[0], _values(forwarded, b"x-forwarded-for")), 0)
        if schemes := _values(forwarded, b"x-forwarded-proto"):
            changed["scheme"] = "https" if schemes[-1].lower() == "https" else "http"
        return changed

    def request_id(self, scope: Scope) -> str:
        """Return the id that a trusted proxy gave the request, or a new one. The scope must be the server's own.

        Of several ids one may be the client's, so none is taken.
        """
        peer = scope.get("client")
        given = b",".join(value for name, value in scope["headers"] if name == REQUEST_ID)
        is_trusted = bool(given) and peer is not None and self.is_trusted(peer[0])
        return request_id.choose(given.decode("latin-1"), is_trusted=is_trusted)

    def _client(self, peer: str, hops: Sequence[str]) -> str:
        """Return the rightmost address that is no trusted proxy. Each proxy adds the address that it saw at the end."""
        client = peer
        for hop in reversed(hops):
            found = parsed(hop)
            if found is None:
                break
            client = str(found)
            if not self.is_trusted(client):
                break
        return client

    def _tell_once(self, peer: Any) -> None:
        if not self._told:
            self._told = True
            logger.warning("forwarded headers ignored, peer is not in TRUSTED_PROXIES peer=%s", peer and peer[0])


def parsed(text: str) -> Any:
    """Return the address in an entry of X-Forwarded-For, which may have a port. None: it is no address."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def is_forwarded(name: bytes) -> bool:
    return name.startswith(FORWARDED_PREFIX) or name in FORWARDED


def _values(headers: Headers, wanted: bytes) -> list[str]:
    """Return the values of a header that is a list, in their order."""
    texts = (value.decode("latin-1") for name, value in headers if name == wanted)
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]
