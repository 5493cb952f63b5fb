"""Access to metrics: closed to all but a token and some networks."""

from django.utils.crypto import constant_time_compare

from apps.tasks import networks
from apps.tasks.conf import conf

#: Told to requests without the token, if there is one.
NEEDS_TOKEN = "Send METRICS_TOKEN as 'Authorization: Bearer ...'."  # noqa: S105


def is_open() -> bool:
    """Return whether the settings let any request in."""
    return bool(conf.METRICS_TOKEN or conf.METRICS_NETWORKS)


def is_allowed(*, authorization: str, address: str) -> bool:
    """Return whether a request may see the figures: it has the token, or its client's address is in the networks."""
    token = conf.METRICS_TOKEN
    if token and constant_time_compare(authorization, f"Bearer {token}"):
        return True
    return networks.contain(conf.METRICS_NETWORKS, address)
