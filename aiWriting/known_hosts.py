"""Refuse requests for hosts that are not ours, except those of monitoring by the address of the process."""

from ipaddress import ip_address

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.http.request import split_domain_port
from django.middleware.common import CommonMiddleware
from django.urls import reverse

#: Names of the addresses that monitoring asks for.
MONITORING = ("healthz", "readyz", "metrics", "scale")


class KnownHosts(CommonMiddleware):
    """Django's middleware, which compares the host with `ALLOWED_HOSTS`.

    Platforms ask each process for its health by its address, which no setting knows, and Prometheus for its metrics. An
    address as the host is no risk there: only a name can be made to lead a browser elsewhere.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if is_monitoring(request.path, host=request.META.get("HTTP_HOST", "")):
            return None
        return super().process_request(request)


def is_monitoring(path: str, *, host: str) -> bool:
    """Return whether a request asks this process for its health or metrics, by its address."""
    return path in {reverse(name) for name in MONITORING} and is_address(host)


def is_address(host: str) -> bool:
    """Return whether the value of a Host header is an address, with a port or without.

    Django's own reading decides, so a user before an address, or a zone after it, makes none.
    """
    domain, _ = split_domain_port(host)
    is_bracketed = domain.startswith("[")
    try:
        return ip_address(domain.strip("[]")).version == (6 if is_bracketed else 4)
    except ValueError:
        return False
