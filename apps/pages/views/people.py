"""Signing in and out."""

import time
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils.http import urlencode

from apps.accounts.models import User
from apps.accounts.second_factor import service as second_factor
from apps.pages.access import guarded, refused
from apps.pages.account_forms import CodeForm, SignInForm, StaffSignInForm
from apps.pages.views import members

#: The session's key with the user who gave the right password, and seconds until it is forgotten.
FIRST_STEP, FIRST_STEP_SECONDS = "first_step", 5 * 60


class SignIn(LoginView):
    """Takes name and password. A user with two-step sign-in is led to the second step."""

    template_name = "pages/sign_in.html"
    authentication_form: type[Any] = SignInForm
    redirect_authenticated_user = True
    next_page = "pages:home"

    def get_redirect_url(self, *args: Any, **kwargs: Any) -> str:
        """Return the page that was asked for. Empty: none was, or one of these, which would lead in a circle."""
        asked: str = super().get_redirect_url(*args, **kwargs)
        return "" if _view_of(asked) in (sign_in, second_step, sign_out) else asked

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        is_invited = _view_of(self.get_redirect_url()) is members.invitation
        return super().get_context_data(is_invited=is_invited, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if second_factor.device_of(user) is None:
            return super().form_valid(form)
        # A key that a stranger set leads to nothing that follows.
        self.request.session.cycle_key()
        self.request.session[FIRST_STEP] = [user.pk, user.get_session_auth_hash(), int(time.time())]
        return redirect(_with_next("pages:second-step", self.get_success_url()))

    def form_invalid(self, form: Any) -> HttpResponse:
        return refused(super().form_invalid(form), form.refusal)


class StaffSignIn(SignIn):
    """The sign-in of the admin."""

    authentication_form = StaffSignInForm
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # A writer would be led in a circle.
        self.redirect_authenticated_user = bool(request.user.is_staff)
        return super().dispatch(request, *args, **kwargs)


class SecondStep(SignIn):
    """Takes the code of a user whose password was right."""

    template_name = "pages/second_step.html"
    authentication_form = CodeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.user = _user_of_first_step(request)
        if self.user is None and not request.user.is_authenticated:
            if request.session.pop(FIRST_STEP, None):
                messages.warning(request, "Your password does not count any more. Enter it again.")
            return redirect(_with_next("pages:sign-in", self.get_redirect_url()))
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"user": self.user}

    def form_valid(self, form: Any) -> HttpResponse:
        del self.request.session[FIRST_STEP]
        return LoginView.form_valid(self, form)


def _user_of_first_step(request: HttpRequest) -> User | None:
    """Return the user who gave the right password in this session lately, and whose code is asked for.

    None: there is no such user, the password is another by now, or two-step sign-in was turned off.
    """
    user_id, auth_hash, given_at = request.session.get(FIRST_STEP) or (0, "", 0)
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or user.get_session_auth_hash() != auth_hash or time.time() - given_at > FIRST_STEP_SECONDS:
        return None
    return user if second_factor.device_of(user) else None


def _view_of(path: str) -> Any:
    """Return the view of an address, which may have a host and a query. None: there is none."""
    try:
        return resolve(urlsplit(path).path).func
    except Resolver404:
        return None


def _with_next(name: str, path: str) -> str:
    """Return the address of a page that leads to the path afterwards."""
    return f"{reverse(name)}?{urlencode({'next': path})}" if path else reverse(name)


@guarded
def sign_in(request: HttpRequest, *, is_for_staff: bool = False) -> HttpResponseBase:
    """Sign a user in, and lead them to the page that they asked for."""
    return (StaffSignIn if is_for_staff else SignIn).as_view()(request)


@guarded
def second_step(request: HttpRequest) -> HttpResponseBase:
    """Ask for the code of an authenticator app, or for a recovery code."""
    return SecondStep.as_view()(request)


@guarded
def sign_out(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
    """End the session. It takes a POST, so that a link on another site cannot do it."""
    response = LogoutView.as_view(next_page="pages:sign-in")(request, **kwargs)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response
