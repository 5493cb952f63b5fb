"""Links in mails. Their token leaves the address before a page is shown or the sign-in page is told where to go on."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from apps.pages.access import View

#: Word in an address whose token is in the session.
IN_SESSION = "opened"


def mailed_link(*, is_ours: Callable[[str], bool]) -> Callable[[View], View]:
    """Return a decorator that keeps the token of a link in the session. The view gets it as `token`.

    Parameters:
      is_ours: Returns whether the site has made a token. No other one makes a session: strangers could make any number.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, token: str) -> HttpResponseBase:
            assert request.resolver_match is not None
            name = request.resolver_match.view_name
            key = f"token {name}"
            if token == IN_SESSION:
                return view(request, token=request.session.get(key, ""))
            if request.method not in ("GET", "HEAD") or not is_ours(token):
                return view(request, token=token)
            request.session[key] = token
            return redirect(name, IN_SESSION)

        return wrapped

    return decorate
