"""Headers that tell browsers and caches what they may do with an answer."""

import secrets
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

GetResponse = Callable[[HttpRequest], Any]

#: Pages load everything from this site, have nothing inline, and are in no frame. A script runs if our template gave it
#: the nonce of this answer, or if such a script loads it.
POLICY = {
    "default-src": "'none'",
    "script-src": "'nonce-{nonce}' 'strict-dynamic'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "object-src": "'none'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
#: The admin's theme computes expressions in its attributes (Alpine) and has attributes `style`. It has nothing else
#: inline.
ADMIN_POLICY = POLICY | {
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data:",
}
#: Abilities of a browser that the site does not need.
PERMISSIONS_POLICY = ", ".join(
    f"{ability}=()"
    for ability in (
        "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media", "geolocation",
        "gyroscope", "hid", "idle-detection", "magnetometer", "microphone", "midi", "payment",
        "publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip
NO_STORE = "private, no-store"


@sync_and_async_middleware
def security_headers(get_response: GetResponse) -> GetResponse:
    """Set the headers of every answer. A view that sets one of them itself knows better."""

    def begin(request: HttpRequest) -> str:
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce  # type: ignore[attr-defined]
        return nonce

    def end(request: HttpRequest, response: HttpResponseBase, nonce: str) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # Django's own error pages, which only a developer sees, are inline throughout.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response.headers.setdefault("Content-Security-Policy", policy(request.path, nonce=nonce))
        return response

    return _around(get_response, begin, end)


@sync_and_async_middleware
def no_store(get_response: GetResponse) -> GetResponse:
    """Forbid caches and browsers to keep an answer. Static files are served before this middleware."""

    def end(request: HttpRequest, response: HttpResponseBase, begun: None) -> HttpResponseBase:
        response.headers["Cache-Control"] = NO_STORE
        return response

    return _around(get_response, lambda request: None, end)


class ProgramsUseHTTPS(MiddlewareMixin):
    """Refuses programs that use plain HTTP. A redirect would let them go on sending tokens in clear text."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if settings.SECURE_SSL_REDIRECT and request.path.startswith("/api/") and not request.is_secure():
            return JsonResponse({"detail": "Use https:// for this address."}, status=403)
        return None


def policy(path: str, *, nonce: str) -> str:
    """Return the Content-Security-Policy of an address."""
    directives = ADMIN_POLICY if path.startswith(reverse("admin:index")) else POLICY
    return "; ".join(f"{name} {sources.format(nonce=nonce)}" for name, sources in directives.items())


def strict_transport() -> str:
    """Return the value by which browsers remember to use HTTPS, as Django sends it. Empty: they should not."""
    if not settings.SECURE_HSTS_SECONDS:
        return ""
    subdomains = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
    return f"max-age={settings.SECURE_HSTS_SECONDS}{subdomains}{'; preload' if settings.SECURE_HSTS_PRELOAD else ''}"


def _around(
    get_response: GetResponse,
    begin: Callable[[HttpRequest], Any],
    end: Callable[[HttpRequest, Any, Any], HttpResponseBase],
) -> GetResponse:
    """Return a middleware that needs no change of threads, whether the next one is a coroutine or not."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        begun = begin(request)
        return end(request, get_response(request), begun)

    async def async_middleware(request: HttpRequest) -> HttpResponseBase:
        begun = begin(request)
        return end(request, await get_response(request), begun)

    return async_middleware if iscoroutinefunction(get_response) else middleware
