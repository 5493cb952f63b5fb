"""Remember which credentials are those of a user, so that users do not wait behind strangers or behind each other.

Looking them up before each request would cost a thread and statements. So the first request with a credential waits
with the strangers, and Django says afterwards whose it is. Nothing but the order of requests depends on it.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import LazyObject

from aiWriting.gate.asgi import Scope
from aiWriting.gate.places import Turn

#: Seconds for which a credential is remembered after a request of its user.
REMEMBERED_SECONDS = 600.0
#: Credentials that are remembered.
REMEMBERED = 10_000
#: Party of all strangers.
STRANGERS = "strangers"
#: Entry of the scope with the user's primary key.
USER = "aiWriting.user"


class UserMiddleware(MiddlewareMixin):
    """Tells the outermost layer the user of a request, if the view has looked at the user."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        scope = getattr(request, "scope", None)
        if scope is not None and (user_id := user_id_of(request)):
            scope[USER] = user_id
        return response


def user_id_of(request: HttpRequest) -> str:
    """Return the primary key of the user that a request was found to be of. Empty: of none, or nothing has looked."""
    session, user = getattr(request, "session", None), getattr(request, "user", None)
    if session is not None and session.accessed and session.session_key and SESSION_KEY in session:
        return str(session[SESSION_KEY])
    # The API sets the user of a token. The lazy one is that of the session.
    return str(user.pk) if not isinstance(user, LazyObject) and user is not None and user.is_authenticated else ""


class KnownUsers:
    """The users of credentials that came lately."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._users: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def turn(self, scope: Scope, *, client: str) -> Turn:
        """Return the turn of a user, or that of a client among the strangers."""
        user_id, until = self._users.get(_digest(scope), ("", 0.0))
        if not user_id or until < self._now():
            return Turn(party=STRANGERS, client=client)
        return Turn(party=f"user {user_id}", client=client)

    def remember(self, scope: Scope) -> None:
        """Remember the user that Django found in a request."""
        if not (user_id := scope.get(USER)) or not (digest := _digest(scope)):
            return
        self._users[digest] = (user_id, self._now() + REMEMBERED_SECONDS)
        self._users.move_to_end(digest)
        while len(self._users) > REMEMBERED:
            self._users.popitem(last=False)


def _digest(scope: Scope) -> bytes:
    """Return a digest of the session and the token in a request. Empty: it has neither."""
    parts = []
    for name, value in scope["headers"]:
        if name == b"authorization":
            parts.append(value)
        elif name == b"cookie":
            session = parse_cookie(value.decode("latin-1")).get(settings.SESSION_COOKIE_NAME, "")
            parts.append(session.encode("latin-1", "replace"))
    text = b"\0".join(part for part in parts if part)
    return hashlib.sha256(text).digest() if text else b""
