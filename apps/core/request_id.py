"""The id of a request. Its log lines have it, its answer, and the tasks that it sends.

`RequestIdMiddleware` gives each request one, first in `MIDDLEWARE`.
"""

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.signals import request_finished
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEADER = "X-Request-ID"
#: Key of the id in an ASGI scope, where a layer in front of Django has chosen one.
SCOPE_KEY = "request_id"

WELL_FORMED = re.compile(r"[A-Za-z0-9._:+/=@-]{1,200}")

_current: ContextVar[str] = ContextVar("aiwriting_request_id", default="")


def current() -> str:
    """Return the id of the request that this context answers. Empty: it answers none."""
    return _current.get()


def bind(request_id: str) -> None:
    """Let this context answer the request. Empty: it answers none any more."""
    _current.set(request_id)


def choose(given: str, *, is_trusted: bool) -> str:
    """Return the id that a proxy gave if it is trusted and the id is well-formed, else a new one."""
    if is_trusted and WELL_FORMED.fullmatch(given):
        return given
    return secrets.token_hex(16)


@sync_and_async_middleware
def RequestIdMiddleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:  # noqa: N802
    """Give each request an id, and its answer the header.

    The id is that of the header if the peer is in `TRUSTED_PROXIES`, a list of networks.
    """

    def begin(request: HttpRequest) -> str:
        found: str = getattr(request, "scope", {}).get(SCOPE_KEY) or choose(
            request.headers.get(HEADER, ""), is_trusted=_is_proxy(request.META.get("REMOTE_ADDR", ""))
        )
        bind(found)
        return found

    def middleware(request: HttpRequest) -> HttpResponseBase:
        begun = begin(request)
        response: HttpResponseBase = get_response(request)
        response.headers[HEADER] = begun
        return response

    async def async_middleware(request: HttpRequest) -> HttpResponseBase:
        begun = begin(request)
        response: HttpResponseBase = await get_response(request)
        response.headers[HEADER] = begun
        return response

    return async_middleware if iscoroutinefunction(get_response) else middleware


def _is_proxy(address: str) -> bool:
    networks = getattr(settings, "TRUSTED_PROXIES", ())
    return bool(networks) and _is_in(address, tuple(map(str, networks)))


@lru_cache(maxsize=4096)
def _is_in(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in ip_network(network) for network in networks)


def _unbind(**kwargs: Any) -> None:
    bind("")


# Django logs a refusal after the last middleware, so the end of the request is the time.
request_finished.connect(_unbind)
