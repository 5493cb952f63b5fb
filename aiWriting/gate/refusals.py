"""Answers of the layer itself."""

import json
from http import HTTPStatus

from aiWriting.gate.asgi import Headers
from aiWriting.gate.errors import GateError, UnknownMethodError
from aiWriting.http_headers import strict_transport

CLOSE = (b"connection", b"close")
STRICT_TRANSPORT = b"strict-transport-security"


def answer(refusal: GateError, *, is_api: bool = False) -> tuple[Headers, bytes]:
    """Return headers and body of a refusal: JSON for programs, else plain text. The connection is closed after it."""
    kind = b"application/json" if is_api else b"text/plain; charset=utf-8"
    text = (json.dumps({"detail": refusal.detail}) if is_api else f"{refusal.detail}\n").encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(text)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
        CLOSE,
    ]
    if refusal.retry_after_seconds is not None:
        headers.append((b"retry-after", str(refusal.retry_after_seconds).encode()))
    if isinstance(refusal, UnknownMethodError):
        headers.append((b"allow", refusal.allowed.encode()))
    return headers, text


def whole_answer(refusal: GateError) -> bytes:
    """Return the bytes that refuse a connection without a request. A browser ignores HSTS over plain HTTP."""
    headers, text = answer(refusal)
    if value := strict_transport():
        headers.append((STRICT_TRANSPORT, value.encode()))
    lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}".encode()]
    lines += [name + b": " + told for name, told in headers]
    return b"\r\n".join((*lines, b"", text))
