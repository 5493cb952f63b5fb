"""Networks whose addresses a setting trusts."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from apps.tasks.errors import TaskError

Network = IPv4Network | IPv6Network


class BadNetworkError(TaskError, ImproperlyConfigured):
    """METRICS_NETWORKS has '10.0.0.1/8', must be networks or addresses such as '10.0.0.0/8' and 'fd00::/8'"""


def parsed(value: Any, *, name: str) -> tuple[Network, ...]:
    """Return the networks of a setting. An address is a network of one.

    Raises:
      BadNetworkError: It is no list, or an item is no network.
    """
    valid = "must be networks or addresses such as '10.0.0.0/8' and 'fd00::/8'"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise BadNetworkError(f"{name} is {value!r:.80}, {valid}, in a list")
    found: list[Network] = []
    for item in value:
        try:
            # A number would be read as an address.
            found.append(ip_network(item if isinstance(item, Network) else str(item)))
        except ValueError:
            raise BadNetworkError(f"{name} has {item!r:.80}, {valid}") from None
    return tuple(found)


def contain(networks: Iterable[Network], address: str) -> bool:
    """Return whether the address is in one of the networks. A text that is no address is in none."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
