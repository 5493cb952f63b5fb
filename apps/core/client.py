"""Tell clients apart by their addresses."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

#: Bits of an IPv6 address that tell clients apart. Each may choose the others as it likes.
IPV6_PREFIX_BITS = 64
#: Client without an address, as over a Unix socket.
NO_ADDRESS = "local"


def client_of(address: str) -> str:
    """Return the client that an address belongs to: the address, or the network of an IPv6 address."""
    return network_of(address) or address or NO_ADDRESS


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return an IPv4 address as it is, and the network of an IPv6 address. Empty: it is no network address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return str(ip_network((found, IPV6_PREFIX_BITS), strict=False))
        found = found.ipv4_mapped
    return str(found)
