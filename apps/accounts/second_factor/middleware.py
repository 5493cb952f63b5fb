"""Keep staff without a second factor to the page where they set one up."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.deprecation import MiddlewareMixin

from apps.accounts.errors import SecondFactorNeededError
from apps.accounts.second_factor import service

#: Views that such a user may see.
OPEN = ("pages:two-factor", "pages:confirm", "pages:sign-in", "pages:sign-out", "healthz", "readyz")


class SecondFactorMiddleware(MiddlewareMixin):
    """With `STAFF_TWO_FACTOR=required`, a session of staff does nothing until its second factor was given.

    Requests with an API token are no sessions. Their tokens were made in one.
    """

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        if settings.STAFF_TWO_FACTOR != "required" or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        user: Any = request.user
        name = request.resolver_match.view_name if request.resolver_match else None
        if not user.is_authenticated or not service.is_required_of(user) or user.is_verified() or name in OPEN:
            return None
        if request.path.startswith("/api/"):
            return JsonResponse({"detail": SecondFactorNeededError.default_detail}, status=403)
        return redirect(settings.TWO_FACTOR_URL)
