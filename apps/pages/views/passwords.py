"""New passwords: changed by their user, or chosen after a mail with a link."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy

from apps.accounts.errors import SignInError
from apps.accounts.models import User
from apps.accounts.sessions import registry
from apps.accounts.sign_in import reset, throttling
from apps.accounts.tasks import send_password_mail
from apps.pages.access import WriterRequest, guarded, origin_of, refused, writers_page
from apps.pages.account_forms import ChangePasswordForm, ForgottenForm, NewPasswordForm


@writers_page
def change(request: WriterRequest) -> HttpResponse:
    """Change one's own password. All other sessions end with the old one."""
    form = ChangePasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        update_session_auth_hash(request, user)
        messages.success(request, "Your password is changed. All other sessions have ended.")
        return redirect("pages:account")
    return refused(render(request, "pages/password.html", {"form": form}), form.refusal)


@guarded
def forgotten(request: HttpRequest) -> HttpResponse:
    """Mail a link for a new password. The answer and its work are the same whether an account has the address."""
    form = ForgottenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user_ids = reset.users_to_mail(request, email=form.cleaned_data["email"])
        except SignInError as error:
            form.add_error(None, error.sentence)
            return refused(render(request, "pages/forgotten.html", {"form": form}), error)
        send_password_mail.enqueue(user_ids, origin_of(request))
        return render(request, "pages/forgotten_sent.html", {"email": form.cleaned_data["email"]})
    return render(request, "pages/forgotten.html", {"form": form})


class New(PasswordResetConfirmView):
    """Takes a new password from a user with the link of a mail. Two-step sign-in stays on."""

    template_name = "pages/new_password.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("pages:sign-in")

    def get_user(self, uidb64: str) -> User | None:
        """Return the user of the link. None: there is none, or the user may not sign in."""
        user: Any = super().get_user(uidb64)
        return user if user is not None and user.is_active else None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(account=self.user, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        throttling.unlock_password(self.user)
        registry.remember(self.request, user=self.user)
        messages.success(self.request, "Your password is changed. Sign in with the new one.")
        return response


@guarded
def new(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
    """Choose a new password with the link of a mail."""
    return New.as_view()(request, **kwargs)
