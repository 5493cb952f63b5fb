"""The address of a client, as attempts are counted by it."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

#: Bits of an IPv6 address that one customer of a provider shares.
NETWORK_BITS = 64


def address_of(request: Any) -> str:
    """Return the client's address: IPv4, or the /64 network of IPv6. Empty without a request or a network address.

    `REMOTE_ADDR` is the peer of the connection, or the address that a trusted proxy forwarded. No header is read here.
    """
    text = request.META.get("REMOTE_ADDR", "") if request is not None else ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, NETWORK_BITS), strict=False))
    return str(address)
