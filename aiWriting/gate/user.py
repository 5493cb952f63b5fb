"""Find out whether a request comes from a user who has room for its body, before the body is received."""

import asyncio
from io import BytesIO
from typing import Any

from django.contrib.auth import get_user
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpResponse
from django.urls import ResolverMatch
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from aiWriting.gate.asgi import Headers, Scope
from aiWriting.gate.errors import GateError
from apps.core.connections import close_idle

#: Headers about a body.
BODY_HEADERS = {b"content-length", b"content-type", b"transfer-encoding", b"expect"}
#: A request with neither comes from a stranger.
CREDENTIALS = {b"cookie", b"authorization"}


def without_body(scope: Scope) -> Scope:
    """Return the scope of the same request without a body."""
    headers: Headers = [pair for pair in scope["headers"] if pair[0] not in BODY_HEADERS]
    return {**scope, "headers": headers}


async def is_known(scope: Scope, match: ResolverMatch, *, size_bytes: int | None) -> bool:
    """Return whether the request has the session or the token of a user.

    Raises:
      GateError: It has, and the view refuses a body of this size from this user.
    """
    if not any(name in CREDENTIALS for name, _ in scope["headers"]):
        return False
    return await asyncio.to_thread(_is_known, without_body(scope), match, size_bytes, _content_type(scope))


def _content_type(scope: Scope) -> str:
    value: bytes = dict(scope["headers"]).get(b"content-type", b"")
    return value.decode("latin-1")


def _is_known(scope: Scope, match: ResolverMatch, size_bytes: int | None, content_type: str) -> bool:
    view = getattr(match.func, "cls", None)
    try:
        user = _user(scope, view)
        if user is None:
            return False
        if size_bytes is not None and hasattr(view, "check_body"):
            actions: dict[str, str] = getattr(match.func, "actions", {})
            action = actions.get(scope["method"].lower(), "")
            _check(view, user, action=action, size_bytes=size_bytes, content_type=content_type)
        return True
    except (APIException, DatabaseError):
        return False  # The view says which, without the body.
    finally:
        close_idle()


def _user(scope: Scope, view: Any) -> Any:
    """Return the user of the session or of the token. None: a stranger."""
    request: Any = ASGIRequest(scope, BytesIO())
    SessionMiddleware(lambda _: HttpResponse()).process_request(request)
    request.user = get_user(request)
    if not request.user.is_authenticated and view is not None:
        request.user = Request(request, authenticators=view().get_authenticators()).user
    return request.user if request.user.is_authenticated else None


def _check(view: Any, user: Any, **body: Any) -> None:
    try:
        view.check_body(user.pk, **body)
    except APIException as error:
        wait = getattr(error, "wait", None)
        raise GateError(str(error.detail), status=error.status_code, retry_after_seconds=wait) from None
