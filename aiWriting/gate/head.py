"""Refuse heads that no view could make sense of. Behind this, Django, its database or a view would fail on them."""

import codecs
import re
from urllib.parse import unquote_to_bytes

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.utils.http import parse_header_parameters

from aiWriting.gate.asgi import Scope
from aiWriting.gate.errors import GateError, MalformedError, UnknownMethodError
from aiWriting.known_hosts import is_health_check

#: Most header lines, and most bytes of all of them.
HEADERS_LIMIT, HEADERS_LIMIT_BYTES = 100, 32 * 1024
#: Most bytes of an address with its query. Each is in a line of the log.
ADDRESS_LIMIT_BYTES = 8 * 1024

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
#: A NUL as a cookie's quoted value writes it. PostgreSQL takes no text with one.
COOKIE_NUL = re.compile(rb"\\000")
#: Boundary of a form, as RFC 2046 has it but longer, since Django takes 201 characters.
BOUNDARY = re.compile(r"[ -~]{0,200}[!-~]")
#: Encodings of a body. Forms and JSON are always read as UTF-8.
CHARSETS = {"utf-8", "ascii"}


class HostOnly(HttpRequest):
    """A request for Django's own check of the host."""

    def __init__(self, meta: dict[str, str]) -> None:
        self.META = meta


def check(scope: Scope) -> None:
    """Check method, address and headers.

    Raises:
      GateError: One of them is malformed.
    """
    if scope["method"] not in METHODS:
        raise UnknownMethodError(allowed=METHODS)
    _check_address(scope["path"], scope.get("raw_path") or b"", scope.get("query_string") or b"")
    _check_headers(scope)


def _check_address(path: str, raw_path: bytes, query: bytes) -> None:
    if len(raw_path) + len(query) > ADDRESS_LIMIT_BYTES:
        raise GateError("The address is too long.", status=414)
    if not path.startswith("/"):
        raise MalformedError("The address must begin with a slash.")
    if b"%" in raw_path and not is_text(raw_path):
        raise MalformedError("The address is no text in UTF-8.")
    if not (query.isascii() and b"%" not in query) and not is_text(query):
        raise MalformedError("The query is no text in UTF-8.")


def is_text(escaped: bytes) -> bool:
    """Return whether the percent-escapes make a text in UTF-8 without NUL."""
    try:
        return "\0" not in unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        return False


def _check_headers(scope: Scope) -> None:
    headers = scope["headers"]
    _check_host(scope)
    if len(headers) > HEADERS_LIMIT or sum(len(name) + len(value) for name, value in headers) > HEADERS_LIMIT_BYTES:
        raise GateError("The request has too many headers.", status=431)
    content_types = 0
    framing = set()
    for name, value in headers:
        if name == b"cookie":
            if COOKIE_NUL.search(value):
                raise MalformedError("A cookie has a character that none may have.")
        elif name == b"content-type":
            content_types += 1
            _check_content_type(value.decode("latin-1"))
        elif name in (b"content-length", b"transfer-encoding"):
            framing.add(name)
    if content_types > 1:
        raise MalformedError("The request has several content types.")
    if len(framing) > 1:
        raise MalformedError("The request has both a length and a transfer encoding.")


def _check_host(scope: Scope) -> None:
    """Refuse a host that is not ours. Django would do so with a traceback in the log."""
    host, port = scope.get("server") or ("unknown", 0)
    meta = {"SERVER_NAME": host, "SERVER_PORT": str(port or 0)}
    for name, value in scope["headers"]:
        if name == b"host":
            meta["HTTP_HOST"] = value.decode("latin-1")
    if is_health_check(scope["path"], host=meta.get("HTTP_HOST", "")):
        return
    try:
        HostOnly(meta).get_host()
    except DisallowedHost:
        raise MalformedError("This site has another name.") from None


def _check_content_type(text: str) -> None:
    try:
        kind, parameters = parse_header_parameters(text)
    except (ValueError, LookupError):
        raise MalformedError("The content type is malformed.") from None
    if charset := parameters.get("charset"):
        try:
            name = codecs.lookup(charset).name
        except (ValueError, LookupError):
            name = ""
        if name not in CHARSETS:
            raise MalformedError("Send text in UTF-8: no other charset can be read.")
    if kind == "multipart/form-data" and not BOUNDARY.fullmatch(parameters.get("boundary", "")):
        raise MalformedError("The form has no boundary, or one that cannot be read.")
