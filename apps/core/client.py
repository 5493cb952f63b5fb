"""Tell clients apart by their addresses."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

#: Bits of an IPv6 address that tell clients apart. Each may choose the others as it likes.
IPV6_PREFIX_BITS = 64
#: Client without an address, as over a Unix socket.
NO_ADDRESS = "local"


@lru_cache(maxsize=4096)
def client_of(address: str) -> str:
    """Return the client that an address belongs to: the address, or the network of an IPv6 address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address or NO_ADDRESS
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return str(ip_network((found, IPV6_PREFIX_BITS), strict=False))
        found = found.ipv4_mapped
    return str(found)
