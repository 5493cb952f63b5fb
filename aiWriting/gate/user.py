"""Find out whether a request comes from a user, before its body is received."""

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
from apps.core.connections import close_idle

#: Headers about a body.
BODY_HEADERS = {b"content-length", b"content-type", b"transfer-encoding", b"expect"}
#: A request with neither comes from a stranger.
CREDENTIALS = {b"cookie", b"authorization"}


def without_body(scope: Scope) -> Scope:
    """Return the scope of the same request without a body."""
    headers: Headers = [pair for pair in scope["headers"] if pair[0] not in BODY_HEADERS]
    return {**scope, "headers": headers}


async def is_known(scope: Scope, match: ResolverMatch) -> bool:
    """Return whether the request has the session or the token of a user."""
    if not any(name in CREDENTIALS for name, _ in scope["headers"]):
        return False
    return await asyncio.to_thread(_is_known, without_body(scope), match)


def _is_known(scope: Scope, match: ResolverMatch) -> bool:
    try:
        request: Any = ASGIRequest(scope, BytesIO())
        SessionMiddleware(lambda _: HttpResponse()).process_request(request)
        request.user = get_user(request)
        if request.user.is_authenticated:
            return True
        view = getattr(match.func, "cls", None)
        if view is None:
            return False
        return bool(Request(request, authenticators=view().get_authenticators()).user.is_authenticated)
    except (APIException, DatabaseError):
        return False  # The view says which, without the body.
    finally:
        close_idle()
