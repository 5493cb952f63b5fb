"""Headers that tell browsers and caches what they may do with an answer."""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

GetResponse = Callable[[HttpRequest], HttpResponseBase]

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


def security_headers(get_response: GetResponse) -> GetResponse:
    """Set the headers of every answer. A view that sets one of them itself knows better."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce  # type: ignore[attr-defined]
        response = get_response(request)
        response.headers.setdefault("Cache-Control", NO_STORE)  # Refusals of the other middleware are answers, too.
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # Django's own error pages, which only a developer sees, are inline throughout.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response.headers.setdefault("Content-Security-Policy", policy(request.path, nonce=nonce))
        return response

    return middleware


def no_store(get_response: GetResponse) -> GetResponse:
    """Forbid caches and browsers to keep an answer. Static files are served before this middleware."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers["Cache-Control"] = NO_STORE
        return response

    return middleware


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
