"""Signing in and out."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.pages.access import guarded
from apps.pages.forms import PlainForm


class SignInForm(AuthenticationForm, PlainForm):
    """The form for name and password."""


@guarded
def sign_in(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
    """Sign a user in, and lead them to the page that they asked for."""
    view = LoginView.as_view(
        template_name="pages/sign_in.html",
        authentication_form=SignInForm,
        redirect_authenticated_user=True,
        next_page="pages:home",
    )
    return view(request, **kwargs)


@guarded
def sign_out(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
    """End the session. It takes a POST, so that a link on another site cannot do it."""
    return LogoutView.as_view(next_page="pages:sign-in")(request, **kwargs)
