"""Who may see a page, and what a browser may do with it."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache

from apps.accounts.models import User

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]

#: Everything comes from us, nothing is written inline, and nobody shows our pages in a frame of theirs.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


CHANGED = "Something this needs was deleted or changed at this moment. Go back, look at it again, then repeat."
UNAVAILABLE = "The database does not answer. Try again in a moment."


class WriterRequest(HttpRequest):
    """The request of somebody who is signed in."""

    user: User


def trouble(request: HttpRequest, sentence: str, *, status: int) -> HttpResponse:
    """A page that says what went wrong. It asks the database for nothing."""
    return HttpResponse(render_to_string("pages/trouble.html", {"sentence": sentence}), status=status)


def guarded(view: View) -> View:
    """A view whose pages may load and send to nothing but this site, and are kept by no cache."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase
        try:
            response = view(request, *args, **kwargs)
        except IntegrityError as error:
            logger.warning("conflict path=%s error=%s", request.path, error)
            response = trouble(request, CHANGED, status=409)
        except (OperationalError, InterfaceError) as error:
            logger.error("database does not answer path=%s error=%s", request.path, error)
            response = trouble(request, UNAVAILABLE, status=503)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    return never_cache(wrapped)


def writers_page(view: View) -> View:
    """A guarded view for those who are signed in; others are sent to the sign-in page."""
    return guarded(login_required(view))
