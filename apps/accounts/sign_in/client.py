"""The address of a client, as attempts are counted by it."""

from typing import Any

from apps.core.client import network_of


def address_of(request: Any) -> str:
    """Return the client's address: IPv4, or the /64 network of IPv6. Empty without a request or a network address.

    `REMOTE_ADDR` is the peer of the connection, or the address that a trusted proxy forwarded. No header is read here.
    """
    return network_of(request.META.get("REMOTE_ADDR", "")) if request is not None else ""
