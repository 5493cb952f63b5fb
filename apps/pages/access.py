"""Access to the pages."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.template.loader import render_to_string
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from apps.accounts.errors import SignInError
from apps.accounts.models import User
from apps.accounts.quotas.errors import QuotaError
from apps.accounts.sessions import confirmation
from apps.projects.access import RoleError

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]

CHANGED = "Something this needs was deleted or changed at this moment. Go back, look at it again, then repeat."
NO_PAGE = "A button of another page leads here. Go back, and use it there."
UNAVAILABLE = "The database does not answer. Try again in a moment."


class WriterRequest(HttpRequest):
    """The request of a user who is signed in."""

    user: User


def origin_of(request: HttpRequest) -> str:
    """Return scheme and host for links in mails: those of the settings, or of the request."""
    return settings.PUBLIC_ORIGIN or f"{request.scheme}://{request.get_host()}"


def trouble(request: HttpRequest, sentence: str, *, status: int, heading: str = "Not now") -> HttpResponse:
    """Return a page that says what went wrong. It needs no database."""
    context = {"heading": heading, "sentence": sentence}
    return HttpResponse(render_to_string("pages/trouble.html", context), status=status)


def refused(response: HttpResponse, refusal: QuotaError | SignInError | None) -> HttpResponse:
    """Return the response with the status of a refusal, and the time after which another try helps. None: as it is."""
    if refusal is not None:
        response.status_code = refusal.status_code
        if refusal.wait is not None:
            response.headers["Retry-After"] = str(refusal.wait)
    return response


def guarded(view: View) -> View:
    """Return the view with a page of its own for a conflict, a limit, and a database that does not answer.

    An address that takes no such request gets one, too: a browser shows its own error in place of an empty answer.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer = view(request, *args, **kwargs)
        except RoleError as error:
            return trouble(request, str(error), status=403, heading="Not for you to change")
        except IntegrityError as error:
            logger.warning("conflict path=%s error=%s", request.path, error)
            return trouble(request, CHANGED, status=409)
        except QuotaError as error:
            return refused(trouble(request, str(error), status=error.status_code), error)
        except (OperationalError, InterfaceError) as error:
            logger.error("database does not answer path=%s error=%s", request.path, error)
            return trouble(request, UNAVAILABLE, status=503)
        except SignInError as error:
            return refused(trouble(request, error.sentence, status=error.status_code), error)
        if isinstance(answer, HttpResponseNotAllowed):
            answer.content = trouble(request, NO_PAGE, status=answer.status_code, heading="Not a page").content
        return answer

    return wrapped


def writers_page(view: View) -> View:
    """Return a guarded view for users who are signed in. Others are sent to the sign-in page."""
    return guarded(login_required(view))


def confirmed(view: View) -> View:
    """Return the view for users who gave their password lately. Others are asked for it, and return to the account."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if confirmation.is_recent(request):
            return view(request, *args, **kwargs)
        # A form that was sent cannot be sent a second time from here.
        back = request.path if request.method in ("GET", "HEAD") else ""
        return redirect("{}?{}".format(resolve_url("pages:confirm"), urlencode({"next": back} if back else {})))

    return wrapped


def button(page: str) -> Callable[[View], View]:
    """Return a decorator for the view of a button. It takes a POST.

    Browsers come without one if the session had ended: the sign-in leads them here, and they are led on to the page.

    Parameters:
      page: Name of the page that has the button.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        @require_http_methods(["GET", "HEAD", "POST"])
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, *args, **kwargs) if request.method == "POST" else redirect(page)

        return wrapped

    return decorate
