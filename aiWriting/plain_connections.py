"""Connections to other hosts that the settings leave unencrypted."""

import os
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

#: Modes of libpq in which nothing is sent in clear text. Its default takes what the server offers.
ENCRYPTED_MODES = ("require", "verify-ca", "verify-full")
#: Ends of names that no public server has.
INSIDE = (".internal", ".intranet", ".lan", ".local", ".localhost", ".home.arpa", ".svc")


def found() -> Iterator[tuple[str, str]]:
    """Yield the host of each such connection, and the variable that encrypts it. Hosts of the inside are left out."""
    for database in settings.DATABASES.values():
        mode = database.get("OPTIONS", {}).get("sslmode") or os.environ.get("PGSSLMODE")
        if database["ENGINE"].endswith("postgresql") and mode not in ENCRYPTED_MODES:
            yield from _outside(database.get("HOST"), "PGSSLMODE=verify-full")
    redis = urlsplit(settings.REDIS_URL)
    if redis.scheme == "redis":
        yield from _outside(redis.hostname, "REDIS_URL=rediss://...")
    if settings.EMAIL_BACKEND.endswith("smtp.EmailBackend") and not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL):
        yield from _outside(settings.EMAIL_HOST, "EMAIL_USE_TLS=yes")
    for storage in settings.STORAGES.values():
        endpoint = urlsplit(storage.get("OPTIONS", {}).get("endpoint_url", ""))
        if endpoint.scheme == "http":
            yield from _outside(endpoint.hostname, "FILE_STORAGE_URL=s3://...?endpoint=https://...")


def _outside(host: Any, variable: str) -> Iterator[tuple[str, str]]:
    if host and not is_inside(host):
        yield host, variable


def is_inside(host: str) -> bool:
    """Return whether a host is this machine, or has an address or a name that only a private network has."""
    if host.startswith("/"):  # A folder with a socket.
        return True
    try:
        return not ip_address(host.strip("[]").partition("%")[0]).is_global
    except ValueError:
        name = host.rstrip(".").lower()
        return "." not in name or name.endswith(INSIDE) or ".svc." in name
