"""Refuse requests for hosts that are not ours, except health checks by the address of the process."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from django.urls import reverse


class KnownHosts(CommonMiddleware):
    """Django's middleware, which compares the host with `ALLOWED_HOSTS`.

    Platforms ask each process for its health by its address, which no setting knows. An address as the host is no risk
    there: only a name can be made to lead a browser elsewhere.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if is_health_check(request.path, host=request.META.get("HTTP_HOST", "")):
            return None
        return super().process_request(request)


def is_health_check(path: str, *, host: str) -> bool:
    """Return whether a request asks this process for its health, by its address."""
    return path in (reverse("healthz"), reverse("readyz")) and is_address(host)


def is_address(host: str) -> bool:
    """Return whether the value of a Host header is an address, with a port or without."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.netloc == host and parts.port != 0 and bool(ip_address(parts.hostname or ""))
    except ValueError:
        return False
